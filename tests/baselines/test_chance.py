"""Random scores are stable, uniform, and independent of each other."""

import numpy as np
import pytest
from scipy import stats

from drrec.baselines.chance import Random
from drrec.data.interactions import Interactions

NO_HISTORY = np.zeros((60, 10), np.int32)
USERS = np.arange(60, dtype=np.int32)


def scores(train: Interactions, seed: int) -> np.ndarray:
    return Random(seed).fit(train).score(USERS, NO_HISTORY)


def test_scores_are_uniform_and_below_one(tiny_interactions: Interactions) -> None:
    values = scores(tiny_interactions, 0)
    assert stats.kstest(values.ravel(), "uniform").pvalue > 0.01
    assert values.max() < 1
    assert (values * 2**24 % 1 == 0).all()  # nothing is rounded, so nothing is rounded up to 1
    assert len(np.unique(values)) > 0.99 * values.size


def test_users_items_and_seeds_are_independent(tiny_interactions: Interactions) -> None:
    first, second = scores(tiny_interactions, 0), scores(tiny_interactions, 1)
    pairs = [(first, second), (first[1:], first[:-1]), (first[:, 1:], first[:, :-1])]
    pairs.append((first[1:, :-1], first[:-1, 1:]))  # the same user + item
    for one, other in pairs:
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] == pytest.approx(0, abs=0.06)
        assert (one != other).mean() > 0.99


def test_the_score_is_the_pairs_wherever_it_stands(tiny_interactions: Interactions) -> None:
    whole = scores(tiny_interactions, 5)
    candidates = np.array([[7, 3, 3, 0]], np.int32)
    alone = Random(5).fit(tiny_interactions).score(USERS[9:10], NO_HISTORY[:1], candidates)
    np.testing.assert_array_equal(alone, whole[9:10, [7, 3, 3, 0]])
