#!/usr/bin/env bash
# Sets everything up, lints, type-checks and runs the whole test suite. Takes pytest's flags.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh requirements-dev.txt
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy

# Status 5 says that the flags chose no test: of one part they may.
parts_without=0
part() {
  .venv/bin/python -m pytest "$@" || {
    status=$?
    [ "$status" -eq 5 ] || exit "$status"
    parts_without=$((parts_without + 1))
  }
}
# PyTorch and TensorFlow never share a process: tests/features has one of its own.
part tests/features "$@"
# The others run in two processes, each file in one, for what it compiles is shared within it; the
# longest first, as tests/conftest.py has them, not those of the most tests. Flags that come later
# win: -n 4 takes four, -n 0 none beside pytest's own, and --pdb takes none either.
export PYTEST_XDIST_AUTO_NUM_WORKERS="${PYTEST_XDIST_AUTO_NUM_WORKERS:-2}"
part --ignore=tests/features -n auto --dist loadfile --no-loadscope-reorder "$@"
[ "$parts_without" -lt 2 ] || exit 5
