"""The best of a large catalogue are those that sorting all of it gives."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drrec import scoring
from drrec.evaluation.protocols.topmost import TieNoise, top, topmost
from drrec.scoring import candidate_batches, in_batches

WIDE = 64 * 2 * 20 + 13


def test_noise_is_that_of_one_generator_wherever_it_is_asked_for():
    expected = np.random.default_rng(5).random((7, 11))
    noise = TieNoise(5, 11)
    np.testing.assert_array_equal(noise.rows(0, np.arange(7)), expected)
    np.testing.assert_array_equal(noise.rows(2, np.array([3, 4])), expected[5:])


@given(st.integers(0, 2**32), st.integers(1, 400), st.sampled_from([0.0, 1e-6]))
@settings(max_examples=30, deadline=None)
def test_a_wide_catalogue_is_ranked_as_a_narrow_one(seed, num_values, tie):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, num_values, (4, WIDE)).astype(np.float32)
    scores += rng.uniform(0, tie / 2, scores.shape)
    scores[rng.random(scores.shape) < rng.choice([0.1, 0.999])] = -np.inf
    scores[:, 0] = -np.inf
    noise = TieNoise(seed, WIDE)
    ties = np.full((4, 1), tie)
    found = topmost(scores, functools.partial(noise.rows, 3), ties, 20)
    expected = top(scores, noise.rows(3, np.arange(4)), ties, 20)
    is_ranked = np.isfinite(np.take_along_axis(scores, expected, axis=1))
    np.testing.assert_array_equal(found, np.where(is_ranked, expected, 0))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(1, 30))
def test_batches_of_candidates_hold_everybody_once_and_are_as_large_as_may_be(counts, most):
    users = np.arange(len(counts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "MAX_CANDIDATES", most)
        made = list(candidate_batches(users, np.array(counts, int)))
    assert [user for batch in made for user in batch.tolist()] == users.tolist()
    for batch, after in zip(made, [*made[1:], None], strict=True):
        size = [counts[user] for user in batch]
        assert len(batch) == 1 or max(size) * len(size) <= most
        if after is not None:
            assert max([*size, counts[after[0]]]) * (len(size) + 1) > most


class Dense:
    """Looks candidates up among the scores of all items."""

    class _known:
        items = range(100)

    def __init__(self):
        self.sizes = []

    @in_batches
    def score(self, users, histories, candidates=None):
        """Score."""
        self.sizes.append(len(users))
        scores = users[:, None] * 1000.0 + np.arange(100)
        return scores if candidates is None else np.take_along_axis(scores, candidates, axis=1)


def test_what_looks_candidates_up_is_asked_for_a_few_users_at_a_time(monkeypatch):
    monkeypatch.setattr(scoring, "MAX_SCORES", 700)
    users, dense = np.arange(20), Dense()
    candidates = np.random.default_rng(0).integers(0, 100, (20, 3))
    found = dense.score(users, np.zeros((20, 1)), candidates)
    np.testing.assert_array_equal(found, users[:, None] * 1000 + candidates)
    assert dense.sizes == [7, 7, 6]
