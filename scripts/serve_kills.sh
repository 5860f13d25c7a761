#!/usr/bin/env bash
# Kills a server with `kill -9` under feedback load, starts it again, and counts what was lost or doubled.
#   bash scripts/serve_kills.sh --kills 200
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh requirements-dev.txt
PYTHONPATH=src:. exec .venv/bin/python -m tests.serving "$@"
