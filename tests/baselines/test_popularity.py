"""Counts and means by hand."""

import numpy as np
import pytest

from drrec.baselines.popularity import Counted, Popularity
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
