#!/usr/bin/env bash
# Sets everything up, fetches MovieLens-100K, trains, evaluates and reports. Takes train.py's flags.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh
exec .venv/bin/python train.py "$@"
