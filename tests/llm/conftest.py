"""These tests load PyTorch, which never shares a process with TensorFlow."""

import os
import sys

import pytest

# Models are tiny here: threads would only wait for each other. PyTorch reads it as it is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

if "tensorflow" in sys.modules:
    raise pytest.UsageError(
        "tests/features and tests/llm need a process of their own: pytest tests/features "
        "tests/llm, and then pytest --ignore=tests/features --ignore=tests/llm "
        "(scripts/test.sh does both)"
    )
