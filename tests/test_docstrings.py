"""Examples in docstrings do what they say."""

import doctest
import importlib

import pytest

from drrec.registry import BASELINES

MODULES = (
    "drrec.data.interactions",
    "drrec.evaluation.evaluate",
    "drrec.lazy",
    "drrec.registry",
    "drrec.saving",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module(name):
    try:
        found = doctest.testmod(importlib.import_module(name))
    finally:
        BASELINES.pop("mine", None)  # what the example of `register` adds
    assert found.attempted > 0
    assert found.failed == 0
