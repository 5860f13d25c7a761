#!/usr/bin/env bash
# Sets everything up, fetches MovieLens-100K, trains, evaluates and reports. Takes train.py's flags.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
exec "$root/.venv/bin/python" "$root/train.py" "$@"
