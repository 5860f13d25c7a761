"""What is proposed comes first, by the policy; the rest follows, by the proposer."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drrec.serving.reranked import Reranked
from drrec.types import Recommender

NUM_USERS, NUM_ITEMS, K = 5, 12, 4


class Table:
    """Scores that were written down; padding's is not a number."""

    uses_history = False

    def __init__(self, scores):
        self.scores = scores.copy()
        self.scores[:, 0] = np.nan

    def fit(self, train):
        return self

    def score(self, users, histories, candidates=None):
        rows = self.scores[users]
        return rows if candidates is None else np.take_along_axis(rows, candidates, axis=1)


def made(seed):
    generator = np.random.default_rng(seed)
    own, others = (
        generator.integers(-3, 3, (NUM_USERS, NUM_ITEMS)).astype(np.float32) for _ in range(2)
    )
    proposals = np.stack(
        [generator.permutation(np.arange(1, NUM_ITEMS))[:K] for _ in range(NUM_USERS)]
    )
    proposals[:, -1] = 0
    return Reranked(Table(own), Table(others), proposals.astype(np.int32)), own, others


@given(seed=st.integers(0, 10_000))
def test_any_two_items_stand_as_both_say(seed):
    both, own, others = made(seed)
    users = np.array([3, 0, 3, 4])
    scores = both.score(users, np.zeros((4, 2), np.int32))
    for row, user in enumerate(users):
        proposed = set(both.proposals[user].tolist()) - {0}

        def key(item, user=user, proposed=proposed):
            return (1, own[user, item]) if item in proposed else (0, others[user, item])

        for one in range(1, NUM_ITEMS):
            for other in range(1, NUM_ITEMS):
                first, second = scores[row, one], scores[row, other]
                assert (first > second) == (key(one) > key(other))
                assert (first == second) == (key(one) == key(other))


@given(seed=st.integers(0, 10_000))
def test_among_candidates_the_order_is_the_same(seed):
    both, _, _ = made(seed)
    generator = np.random.default_rng(seed)
    users, histories = np.arange(NUM_USERS), np.zeros((NUM_USERS, 2), np.int32)
    candidates = np.stack(
        [generator.permutation(NUM_ITEMS)[:5] for _ in users]
    )  # padding among them
    some = both.score(users, histories, candidates)
    every = np.take_along_axis(both.score(users, histories), candidates, axis=1)
    for row in range(NUM_USERS):
        there = candidates[row] != 0
        order = np.lexsort((candidates[row][there], some[row][there]))
        expected = np.lexsort((candidates[row][there], every[row][there]))
        assert order.tolist() == expected.tolist()


def test_it_is_a_recommender_that_has_learned_already():
    both, _, _ = made(0)
    assert isinstance(both, Recommender)
    assert both.fit(None) is both
    assert both.uses_history
