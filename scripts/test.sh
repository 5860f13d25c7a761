#!/usr/bin/env bash
# Sets everything up, lints, type-checks and runs the whole test suite. Takes pytest's flags.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh requirements-dev.txt
.venv/bin/ruff check .
.venv/bin/ruff format --check .

# What is compiled once, asserts above all, serves every process and the next run.
unset PYTHONDONTWRITEBYTECODE

# Processes are as many as processors: threads within them would only wait for each other. Temporary
# files lie in memory where there is room, for thousands are written, synchronised and removed.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
room=$(df --output=avail -m /dev/shm 2> /dev/null | tail -n 1) || room=0
if [ "${room:-0}" -gt 4000 ]; then export TMPDIR=/dev/shm; fi
scratch=$(mktemp -d)
chmod 711 "$scratch"  # PostgreSQL has a user of its own
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch

# PyTorch and TensorFlow never share a process: tests/features and tests/llm have one. The others run
# in two, each file in one, for what it compiles is shared within it; the longest first, as
# tests/conftest.py has them, not those of the most tests. Flags that come later win: -n 4 takes
# four, -n 0 none beside pytest's own, and --pdb takes none either.
export PYTEST_XDIST_AUTO_NUM_WORKERS="${PYTEST_XDIST_AUTO_NUM_WORKERS:-2}"
torch=(tests/features tests/llm)
others=(--ignore=tests/features --ignore=tests/llm -n auto --dist loadfile --no-loadscope-reorder)

if [ "$#" -eq 0 ]; then
  # Beside each other, so that no processor waits; types and PyTorch's print when all have ended. A
  # shell has what it starts in the background ignore Ctrl-C, which tests send and whoever waits may.
  printed=$scratch/printed
  {
    status=0
    .venv/bin/mypy || status=$?
    echo "${torch[*]}:"
    env --default-signal=INT .venv/bin/python -m pytest "${torch[@]}" || status=$?
    exit "$status"
  } > "$printed" 2>&1 &
  beside=$! status=0
  .venv/bin/python -m pytest "${others[@]}" || status=$?
  wait "$beside" || status=$?
  cat "$printed"
  exit "$status"
fi
.venv/bin/mypy

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
