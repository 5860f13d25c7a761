#!/usr/bin/env bash
# Trains with --auto on logs that no default was chosen on, and tells how the agent does. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh
exec .venv/bin/python scripts/unseen.py "$@"
