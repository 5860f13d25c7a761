"""These tests load PyTorch, which never shares a process with TensorFlow."""

import sys

import pytest

if "tensorflow" in sys.modules:
    raise pytest.UsageError(
        "tests/features need a process of their own: pytest tests/features, and then pytest "
        "--ignore=tests/features (scripts/test.sh does both)"
    )
