#!/usr/bin/env bash
# Kills train, extract and compare at random moments, goes on with them, and compares what they end in. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh
exec .venv/bin/python scripts/kills.py "$@"
