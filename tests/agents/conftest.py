"""Agents are trained in Python, or as graphs, unless a test is about what XLA makes of them."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _quick_updates(adam_of_one_kernel):
    """In each of them."""
