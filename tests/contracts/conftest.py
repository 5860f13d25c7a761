"""Every model, fitted once for all files that ask what a fitted one must hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.contracts.models import dataset_over, fitting

if TYPE_CHECKING:
    from collections.abc import Callable

    import drrec
    from drrec.base import Recommender
    from drrec.data.interactions import Interactions


@pytest.fixture(scope="session")
def catalogue(tiny_interactions: Interactions) -> drrec.Dataset:
    """The tiny log with titles and features."""
    return dataset_over(tiny_interactions)


@pytest.fixture(scope="session")
def fitted_once(catalogue: drrec.Dataset) -> Callable[..., Recommender]:
    """Fits a model on it by its name."""
    return fitting(catalogue)
