"""Exploring lists: their propensities are the chances that they have."""

import collections
import random

import pytest
from scipy.stats import chisquare

from drrec.serving.exploring import drawn, pool_size

POOL = list("abcde")


def test_without_exploring_the_best_are_certain():
    made = drawn(POOL, 3, 0.0, random.Random(0))
    assert made == (["a", "b", "c"], [1.0, 1.0, 1.0], "greedy")
    assert (pool_size(10, 0.0), pool_size(10, 0.1), pool_size(500, 0.1)) == (10, 100, 500)


def test_lists_come_as_often_as_their_propensities_say():
    generator = random.Random(1)
    counts, chances = collections.Counter(), {}
    for _ in range(20_000):
        made = drawn(POOL, 2, 0.4, generator)
        counts[tuple(made.items)] += 1
        first, second = made.propensities
        chances[tuple(made.items)] = first * second
    assert len(chances) == 20  # every ordered pair
    assert sum(chances.values()) == pytest.approx(1)
    expected = [20_000 * chances[each] for each in chances]
    assert chisquare([counts[each] for each in chances], expected).pvalue > 1e-3


def test_a_list_has_no_item_twice_and_ends_with_its_pool():
    made = drawn(POOL, 9, 0.9, random.Random(2))
    assert sorted(made.items) == POOL
    assert made.propensities[-1] == pytest.approx(1)
    assert drawn([], 3, 0.5, random.Random(3)).items == []
