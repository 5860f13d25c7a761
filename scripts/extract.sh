#!/usr/bin/env bash
# Encodes items' trailers, images, sound and texts into data/features/<dataset>.h5. Takes the flags
# of `run.py extract`.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
exec "$root/.venv/bin/python" "$root/run.py" extract "$@"
