"""Counts and means by hand."""

import dataclasses

import numpy as np
import pytest

from drrec.baselines.popularity import Counted, Popularity, RecentPopularity
from drrec.data.interactions import Interactions

USERS = np.array([0, 1], np.int32)
NO_HISTORY = np.zeros((2, 10), np.int32)


def interactions() -> Interactions:
    """Item 1 rated 5 3 2, item 2 rated 4, item 3 rated 5 5; item 4 is known but not rated here."""
    whole = Interactions.from_raw(
        ["a", "b", "c", "a", "a", "b", "c"],
        ["1", "1", "1", "2", "3", "3", "4"],
        np.array([5, 3, 2, 4, 5, 5, 1]),
        np.arange(7),
    )
    return whole.where(whole.item < 4)


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        ("ratings", [0, 3, 1, 2, 0]),
        ("liked", [0, 1, 1, 2, 0]),
        # The mean of all is 4 and is worth 2 ratings.
        ("mean", [4, (10 + 8) / 5, (4 + 8) / 3, (10 + 8) / 4, 4]),
    ],
)
def test_scores_by_hand(counted: Counted, expected: list[float]) -> None:
    popularity = Popularity(counted, damping=2).fit(interactions())
    whole = popularity.score(USERS, NO_HISTORY)
    np.testing.assert_allclose(whole, [expected, expected], rtol=1e-6)
    candidates = np.array([[3, 1], [4, 2]], np.int32)
    some = popularity.score(USERS, NO_HISTORY, candidates)
    np.testing.assert_allclose(some, np.array(expected)[candidates], rtol=1e-6)


def test_the_default_counts_ratings() -> None:
    assert Popularity().fit(interactions()).score(USERS, NO_HISTORY)[0].tolist() == [0, 3, 1, 2, 0]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected `counted`"):
        Popularity("clicks")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Expected `damping`"):
        Popularity("mean", damping=0)
    with pytest.raises(ValueError, match="Expected `half_life` > 0"):
        RecentPopularity(0)


def dated(timestamps: list[int]) -> Interactions:
    """Items 1, 1, 2, 3 at these moments, each by another user."""
    ratings = np.array([5.0, 1.0, 3.0, 4.0])
    return Interactions.from_raw(list("abcd"), ["1", "1", "2", "3"], ratings, np.array(timestamps))


def test_a_rating_counts_by_half_after_the_half_life() -> None:
    """Ages 40, 10, 20 and 0: the median is 15, and two thirds of it are 10."""
    log = dated([60, 90, 80, 100])
    scores = RecentPopularity(2 / 3).fit(log).score(USERS, NO_HISTORY)
    np.testing.assert_allclose(scores, [[0, 1 / 16 + 1 / 2, 1 / 4, 1]] * 2, rtol=1e-6)


def test_neither_the_unit_nor_the_zero_of_time_matters() -> None:
    scores = RecentPopularity().fit(dated([6, 9, 8, 10])).score(USERS, NO_HISTORY)
    for other in ([60, 90, 80, 100], [1006, 1009, 1008, 1010]):
        found = RecentPopularity().fit(dated(other)).score(USERS, NO_HISTORY)
        np.testing.assert_allclose(found, scores, rtol=1e-6)


def test_without_moments_or_for_ever_recent_is_plain_popularity() -> None:
    for log, half_life in ((dated([7, 7, 7, 7]), 0.2), (dated([1, 2, 3, 4]), np.inf)):
        scores = RecentPopularity(half_life).fit(log).score(USERS, NO_HISTORY)
        np.testing.assert_array_equal(scores, Popularity().fit(log).score(USERS, NO_HISTORY))


def test_one_stray_date_does_not_make_all_others_new(tiny_interactions: Interactions) -> None:
    stray = tiny_interactions.timestamp.copy()
    stray[0] = 0
    plain = RecentPopularity().fit(tiny_interactions).score(USERS, NO_HISTORY)
    other = RecentPopularity().fit(dataclasses.replace(tiny_interactions, timestamp=stray))
    np.testing.assert_allclose(other.score(USERS, NO_HISTORY), plain, rtol=0.02, atol=0.02)
