"""Agents are trained in Python, or as graphs, unless a test is about what XLA makes of them."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _few_kernels(few_kernels):
    """Each of them."""
