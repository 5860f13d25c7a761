#!/usr/bin/env bash
# Sets everything up, trains the default run if there is none, and serves it at
# http://127.0.0.1:8000: page, API and /docs. Takes the flags of `run.py serve`.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh" requirements-serve.txt
case " $* " in
  *" --run "* | *" --run="* | *" --runs-dir"* | *" --help "* | *" -h "*) ;;
  *)
    runs=${DRREC_HOME:-$root}/save_model
    if ! compgen -G "$runs/*/agent.drrec" > /dev/null && ! compgen -G "$runs/*/seed-*/agent.drrec" > /dev/null; then
      echo "there is no run yet: training the default one on MovieLens-100K, a minute or a few" >&2
      "$root/.venv/bin/python" "$root/train.py"
    fi
    ;;
esac
exec "$root/.venv/bin/python" "$root/run.py" serve "$@"
