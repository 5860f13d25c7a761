#!/usr/bin/env bash
# Evaluates a saved run again: the one that --run names, or else the latest. Takes eval.py's flags.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
exec "$root/.venv/bin/python" "$root/eval.py" "$@"
