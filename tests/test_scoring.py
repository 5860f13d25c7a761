"""The best items of many rows of scores."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from drrec import scoring
from drrec.scoring import seen_items, top_items


def plainly(scores, k):
    """(row, item, score) by the definition: best first, ties by item number, no padding."""
    found = []
    for row, own in enumerate(scores.tolist()):
        items = [item for item in range(1, len(own)) if own[item] > -np.inf]
        found += [(row, item, own[item]) for item in sorted(items, key=lambda i: (-own[i], i))[:k]]
    return found


@pytest.mark.parametrize("num_items", [2, 63, 64, 64 * 32 - 1, 64 * 32, 64 * 32 + 13, 64 * 70 + 1])
@pytest.mark.parametrize("k", [1, 10, 70])
def test_top_items_are_those_of_a_full_sort(num_items, k):
    generator = np.random.default_rng(num_items + k)
    scores = generator.normal(size=(5, num_items)).astype(np.float32)
    scores[1] = np.rint(2 * scores[1])  # ties
    scores[2, generator.random(num_items) < 0.99] = -np.inf
    scores[3] = -np.inf
    scores[4, -5:] = 9  # at the end, where blocks are not whole
    expected = plainly(scores, k)
    found = top_items(scores, k)
    assert list(zip(*map(np.ndarray.tolist, found[:3]), strict=True)) == expected
    ranks = [rank for row in range(5) for rank in range(1, 1 + sum(r == row for r, *_ in expected))]
    assert found.rank.tolist() == ranks


@hypothesis.given(st.data())
def test_top_items_by_block_are_those_of_a_full_sort(data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "_BLOCK", 3)
        patch.setattr(scoring, "_BLOCKS_EACH", 1)
        num_items = data.draw(st.integers(2, 30))
        values = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0])
        rows = st.lists(values, min_size=num_items, max_size=num_items)
        scores = np.array(data.draw(st.lists(rows, min_size=1, max_size=4)), np.float32)
        k = data.draw(st.integers(1, 8))
        expected = plainly(scores, k)
        found = top_items(scores, k)
        assert list(zip(*map(np.ndarray.tolist, found[:3]), strict=True)) == expected


def test_seen_items_are_the_users_own():
    offsets, item = np.array([0, 2, 2, 5]), np.array([3, 1, 2, 2, 4])
    seen = seen_items(offsets, item, np.array([2, 0, 1, 2]), 6)
    assert [np.flatnonzero(row).tolist() for row in seen] == [[2, 4], [1, 3], [], [2, 4]]
