#!/usr/bin/env bash
# Judges the latest run that knows content again and prints its tables. Takes eval.py's flags.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh
exec .venv/bin/python eval.py --with-content "$@"
