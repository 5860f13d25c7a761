"""Two judges: apart in their data and their family, alike in what the log says."""

import dataclasses

import numpy as np
import pytest

from drrec.data.interactions import Interactions
from drrec.envs.simulator import Boredom
from drrec.evaluation.judges import JUDGES, halves, simulators


@pytest.fixture(scope="module")
def judges(tiny_interactions: Interactions):
    return simulators(tiny_interactions, seed=3)


def rows(ratings: Interactions) -> set[tuple[int, int]]:
    return set(zip(ratings.user.tolist(), ratings.item.tolist(), strict=True))


def test_the_halves_share_no_rating_and_miss_none(tiny_interactions: Interactions) -> None:
    first, second = halves(tiny_interactions, 3)
    assert not rows(first) & rows(second)
    assert rows(first) | rows(second) == rows(tiny_interactions)
    assert abs(len(first) - len(second)) <= 1
    assert rows(halves(tiny_interactions, 4)[0]) != rows(first)


@pytest.mark.parametrize("changed", [0, 1])
def test_a_judge_hears_of_its_own_half_alone(
    tiny_interactions: Interactions, judges, changed
) -> None:
    is_own = [rows(half) for half in halves(tiny_interactions, 3)][changed]
    pairs = zip(tiny_interactions.user.tolist(), tiny_interactions.item.tolist(), strict=True)
    flipped = np.array([pair in is_own for pair in pairs])
    rating = np.where(flipped, 6 - tiny_interactions.rating, tiny_interactions.rating)
    other = simulators(dataclasses.replace(tiny_interactions, rating=rating), seed=3)
    same = [np.array_equal(other[name].appeal, judges[name].appeal) for name in JUDGES]
    assert same == [changed == 1, changed == 0]


def test_both_know_the_planted_taste_and_disagree_beside(judges) -> None:
    is_even = np.arange(80) % 2 == 0
    for truth in judges.values():
        appeal = truth.appeal[:, 1:]
        gap = appeal[:, is_even].mean(axis=1) - appeal[:, ~is_even].mean(axis=1)
        assert (gap[:30] > 0.02).all()
        assert (gap[30:] < -0.02).all()
        assert np.abs(appeal).max() <= 1
    first, second = (truth.appeal[:, 1:].ravel() for truth in judges.values())
    assert 0.25 < np.corrcoef(first, second)[0, 1] < 0.99


def test_where_all_ratings_are_alike_they_tell_who_takes_up_what(
    tiny_interactions: Interactions,
) -> None:
    liked = tiny_interactions.where(tiny_interactions.liked)
    alike = dataclasses.replace(liked, rating=np.full(len(liked), 5, np.float32))
    genres = np.array(["", *["Odd", "Even"] * 40])
    for truth in simulators(alike, genres=genres, boredom=Boredom(0.1)).values():
        own = np.zeros((60, 81), bool)
        own[liked.user, liked.item] = True
        assert truth.appeal[own].mean() > truth.appeal[:, 1:][~own[:, 1:]].mean() + 0.5
        assert len(truth.boredom) == 3
