#!/usr/bin/env bash
# Evaluates a saved run again: the one that --run names, or else the latest. Takes eval.py's flags.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh
exec .venv/bin/python eval.py "$@"
