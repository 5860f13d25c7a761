#!/usr/bin/env bash
# Measures speed and memory: everything, or one part (loop, evaluation, extract, data, lists, serve, scale). See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh requirements-serve.txt
exec .venv/bin/python scripts/benchmark.py "$@"
