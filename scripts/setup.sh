#!/usr/bin/env bash
# Makes .venv with the pinned requirements; does nothing where that is done already.
#   bash scripts/setup.sh [requirements.txt | requirements-{serve,llm,ray,dev,gpu}.txt]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
wanted=${1:-requirements.txt}
if [ ! -f "$wanted" ]; then
  echo "Expected a requirements file. Received: $wanted. There are: $(echo requirements*.txt)." >&2
  exit 2
fi

supported() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; }
python=
for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
  if supported "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
  echo "Expected Python 3.11, 3.12 or 3.13. Received: ${PYTHON:-$(python3 --version 2>&1)}. Install" \
    "one, or name it: PYTHON=/path/to/python bash scripts/setup.sh" >&2
  exit 2
fi

# One stamp for each file, of its content and all that it includes.
stamp=.venv/stamp-$wanted
content=$(cat requirements.txt requirements-serve.txt requirements-llm.txt requirements-ray.txt "$wanted" | sha256sum)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$content" ] && exit 0

if [ ! -x .venv/bin/python ] || ! supported .venv/bin/python; then
  echo "making .venv with $($python --version)" >&2
  "$python" -m venv --clear .venv
fi
echo "installing $wanted into .venv; the first time takes a minute or two" >&2
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$wanted"
echo "$content" > "$stamp"
