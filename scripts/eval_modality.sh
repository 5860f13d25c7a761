#!/usr/bin/env bash
# Judges the latest run that knows content again and prints its tables. Takes eval.py's flags.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
exec "$root/.venv/bin/python" "$root/eval.py" --with-content "$@"
