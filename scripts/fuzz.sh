#!/usr/bin/env bash
# Gives every reader of files changed ones for a while: bash scripts/fuzz.sh --minutes 30 [--only log]
# What was neither read nor refused in one line is kept in fuzzed/, with its traceback; status 1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh requirements-dev.txt
PYTHONPATH=src:. exec .venv/bin/python -m tests.fuzzing "$@"
