#!/usr/bin/env bash
# Sets everything up, lints, type-checks and runs the whole test suite. Takes pytest's flags.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh requirements-dev.txt
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
# PyTorch and TensorFlow never share a process: tests/features has one of its own.
.venv/bin/python -m pytest tests/features "$@"
exec .venv/bin/python -m pytest --ignore=tests/features "$@"
