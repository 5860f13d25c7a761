#!/usr/bin/env bash
# Encodes items' trailers, images, sound and texts into data/features/<dataset>.h5. Takes the flags
# of `run.py extract`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh
exec .venv/bin/python run.py extract "$@"
