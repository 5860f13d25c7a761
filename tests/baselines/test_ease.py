"""The closed form against a ridge regression of each item on all others, and what is refused."""

import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from drrec.baselines import ease
from drrec.baselines.ease import EASE
from drrec.data.interactions import Interactions
from drrec.errors import InputError

USERS = np.arange(60, dtype=np.int32)
NO_HISTORY = np.zeros((60, 10), np.int32)


def taken(interactions: Interactions) -> np.ndarray:
    table = np.zeros((interactions.num_users, interactions.num_items))
    table[interactions.user, interactions.item] = 1
    return table


def regressions(table: np.ndarray, l2: float) -> np.ndarray:
    """[I, I], column j: item j by scikit-learn's ridge on all items but itself."""
    weight = np.zeros((table.shape[1], table.shape[1]))
    for item in np.flatnonzero(table.any(axis=0)):
        others = np.delete(table, item, axis=1)
        fitted = Ridge(alpha=l2, fit_intercept=False, solver="cholesky").fit(others, table[:, item])
        weight[np.arange(len(weight)) != item, item] = fitted.coef_
    return weight


@pytest.mark.parametrize("l2", [1.0, 50.0])
@pytest.mark.parametrize("columns_at_once", [7, 512])
def test_scores_are_those_of_scikit_learns_ridge(
    monkeypatch: pytest.MonkeyPatch,
    tiny_interactions: Interactions,
    l2: float,
    columns_at_once: int,
) -> None:
    monkeypatch.setattr(ease, "_COLUMNS_AT_ONCE", columns_at_once)
    train = tiny_interactions.where(tiny_interactions.item % 9 != 0)  # some without a row
    scores = EASE(l2).fit(train).score(USERS, NO_HISTORY)
    expected = taken(train) @ regressions(taken(train), l2)
    np.testing.assert_allclose(scores, expected, atol=2e-6)


def test_ratings_do_not_matter_but_rows_do(tiny_interactions: Interactions) -> None:
    train = tiny_interactions.where((tiny_interactions.user > 0) & (tiny_interactions.item < 80))
    scores = EASE().fit(train).score(USERS, NO_HISTORY)
    assert not scores[0].any()
    assert not scores[:, 80].any()
    assert scores[1:, 1:80].all()
    alike = dataclasses.replace(train, rating=np.full_like(train.rating, 5))
    np.testing.assert_array_equal(EASE().fit(alike).score(USERS, NO_HISTORY), scores)


def test_a_catalogue_too_large_is_refused_with_what_it_would_take(
    tiny_interactions: Interactions,
) -> None:
    """80 items take 12 · 80² bytes, 77 kB."""
    assert EASE(max_memory_gb=77e-6).fit(tiny_interactions)
    model = EASE(max_memory_gb=76e-6)
    with pytest.raises(InputError, match=r"at most 7\.6e-05 GB .* Received: 80 items with rows"):
        model.fit(tiny_interactions)
    with pytest.raises(InputError, match=r"200,000 items with rows, which take 480\.0 GB"):
        EASE()._check_fits(200_000)


@pytest.mark.parametrize("settings", [{"l2": 0}, {"max_memory_gb": 0}])
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"Expected .* Received: "):
        EASE(**settings)
