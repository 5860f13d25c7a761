#!/usr/bin/env bash
# Sets everything up, lints, type-checks and runs the whole test suite. Takes pytest's flags.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh requirements-dev.txt
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy

# What is compiled once, asserts above all, serves every process and the next run.
unset PYTHONDONTWRITEBYTECODE

# PyTorch and TensorFlow never share a process: tests/features and tests/llm have one. The others run
# in two, each file in one, for what it compiles is shared within it; the longest first, as
# tests/conftest.py has them, not those of the most tests. Flags that come later win: -n 4 takes
# four, -n 0 none beside pytest's own, and --pdb takes none either.
export PYTEST_XDIST_AUTO_NUM_WORKERS="${PYTEST_XDIST_AUTO_NUM_WORKERS:-2}"
torch=(tests/features tests/llm)
others=(--ignore=tests/features --ignore=tests/llm -n auto --dist loadfile --no-loadscope-reorder)

if [ "$#" -eq 0 ]; then
  # Beside each other, so that no processor waits; those of PyTorch print when all have ended. A shell
  # has what it starts in the background ignore Ctrl-C, which tests send and whoever waits may.
  printed=$(mktemp)
  trap 'rm -f "$printed"' EXIT
  env --default-signal=INT .venv/bin/python -m pytest "${torch[@]}" > "$printed" 2>&1 &
  beside=$! status=0
  .venv/bin/python -m pytest "${others[@]}" || status=$?
  wait "$beside" || status=$?
  echo "${torch[*]}:"
  cat "$printed"
  exit "$status"
fi

# Flags may ask, or choose: one after the other. Status 5 says that they chose no test: of one part
# they may.
parts_without=0
part() {
  .venv/bin/python -m pytest "$@" || {
    status=$?
    [ "$status" -eq 5 ] || exit "$status"
    parts_without=$((parts_without + 1))
  }
}
part "${torch[@]}" "$@"
part "${others[@]}" "$@"
[ "$parts_without" -lt 2 ] || exit 5
