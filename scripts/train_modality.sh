#!/usr/bin/env bash
# Sets everything up, makes or fetches a data set, extracts what its items look, sound and read
# like, trains with and without, and reports what content adds. Takes train.py's flags.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
exec "$root/.venv/bin/python" "$root/train.py" --dataset demo --modality video,audio,text --cold-items 0.1 "$@"
