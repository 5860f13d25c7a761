"""Users made up from ratings: what pleases them, what bores them, and what is refused."""

import dataclasses

import numpy as np
import pytest
from tests.evaluation.stubs import log

from drrec.baselines.collaborative import ItemCF
from drrec.data.interactions import Interactions
from drrec.envs import simulator
from drrec.envs.simulator import (
    Boredom,
    appeal_of_ratings,
    appeal_of_scores,
    kinds,
    made_up,
    training_truth,
)
from drrec.errors import InputError


def test_a_predicted_rating_pleases_as_its_reward_and_padding_pleases_nobody() -> None:
    predicted = np.array([[9.0, 0.2, 2.0, 3.0, 3.5, 5.7]])
    assert appeal_of_ratings(predicted).tolist() == [[0.0, -1.0, -0.5, 0.0, 0.25, 1.0]]


def test_a_score_pleases_by_where_it_lies_between_strange_and_taken_up_items() -> None:
    taken_up = log([(0, 1, 5), (0, 2, 5), (1, 3, 5), (1, 4, 5), (2, 1, 5)])
    score = np.array([[7.0, 4, 6, 1, 3, 2], [7, 0, 0, 50, 30, 0], [7, 2, 2, 2, 2, 2]])
    taken_up = dataclasses.replace(
        taken_up, items=dataclasses.replace(taken_up.items, raw=np.array(["", *"12345"]))
    )
    appeal = appeal_of_scores(score, taken_up)
    # The first one's own items mean 5, the others 2: an item of 3.5 stands half way.
    np.testing.assert_allclose(appeal[0, 1:], [1 / 3, 1, -1, -1 / 3, -1], rtol=1e-6)
    np.testing.assert_allclose(appeal[1, 1:], [-1, -1, 1, 0.5, -1], rtol=1e-6)
    # The third's own item is no better than the rest, so the means over all count.
    high, low = (4 + 6 + 50 + 30 + 2) / 5, (1 + 3 + 2 + 4 * 2) / 10
    np.testing.assert_allclose(appeal[2, 1:], 2 * (2 - low) / (high - low) - 1, rtol=1e-6)
    assert (appeal[:, 0] == 0).all()


def test_the_first_genre_is_the_kind_and_items_without_one_bore_nobody() -> None:
    genres = np.array(["", "War, Drama", "", "Drama", "War"])
    kind = kinds(np.zeros((5, 2)), genres, seed=0)
    assert kind.tolist() == [2, 1, 2, 0, 1]
    every = np.array(["", "War", "Drama"])
    assert kinds(np.zeros((3, 2)), every, seed=0).tolist() == [2, 1, 0]
    truth = made_up(np.zeros((1, 5), np.float32), kind, Boredom(0.5, 3))
    assert truth.window == 3
    assert truth.boredom.tolist() == [[0.5, 0, 0], [0, 0.5, 0], [0, 0, 0]]


def test_without_genres_items_of_one_direction_are_one_kind(monkeypatch) -> None:
    monkeypatch.setattr(simulator, "NUM_CLUSTERS", 3)
    corner = np.repeat(np.arange(3), 20)
    rng = np.random.default_rng(0)
    # Lengths differ far more than directions within a corner do.
    vectors = np.eye(3)[corner] * rng.uniform(0.1, 10, (60, 1)) + rng.normal(0, 0.01, (60, 3))
    kind = kinds(np.concatenate([np.zeros((1, 3)), vectors]), np.full(61, ""), seed=1)
    assert kind[0] == 3
    assert sorted({tuple(set(kind[1:][corner == c])) for c in range(3)}) == [(0,), (1,), (2,)]


def test_users_to_train_with_like_what_the_ratings_say(tiny_interactions: Interactions) -> None:
    truth = training_truth(tiny_interactions, boredom=Boredom(0.3))
    is_even = np.arange(80) % 2 == 0
    mean = truth.appeal[:, 1:]
    assert (mean[:30][:, is_even].mean(axis=1) > 0.3).all()
    assert (mean[:30][:, ~is_even].mean(axis=1) < -0.1).all()
    assert (mean[30:][:, is_even].mean(axis=1) < -0.1).all()
    assert (truth.appeal.dtype, truth.kind.dtype) == (np.float32, np.int32)
    assert truth.boredom[0, 0] == np.float32(0.3)


def test_users_to_train_with_take_up_what_the_log_says_where_ratings_are_alike(
    tiny_interactions: Interactions,
) -> None:
    liked = tiny_interactions.where(tiny_interactions.liked)
    alike = dataclasses.replace(liked, rating=np.full(len(liked), 5, np.float32))
    truth = training_truth(alike)
    is_even = np.arange(80) % 2 == 0
    gap = truth.appeal[:, 1:][:, is_even].mean(axis=1) - truth.appeal[:, 1:][:, ~is_even].mean(1)
    assert (gap[:30] > 0.3).all()
    assert (gap[30:] < -0.3).all()
    assert (truth.boredom == 0).all()


def test_users_may_be_made_by_neighbours_or_by_both(tiny_interactions, monkeypatch) -> None:
    found = {by: training_truth(tiny_interactions, by=by) for by in ("factors", "neighbours")}
    both = training_truth(tiny_interactions, by="both")
    expected = ItemCF().fit(tiny_interactions)
    users = np.arange(60, dtype=np.int32)
    score = expected.score(users, np.zeros((60, 1), np.int32))
    appeal = np.clip((score[:, 1:] - 3) / 2, -1, 1)
    np.testing.assert_allclose(found["neighbours"].appeal[:, 1:], appeal, atol=1e-6)
    mean = (found["factors"].appeal + found["neighbours"].appeal) / 2
    np.testing.assert_allclose(both.appeal, mean, atol=1e-6)
    assert np.abs(found["factors"].appeal - found["neighbours"].appeal).max() > 0.1
    for each in (*found.values(), both):
        assert each.kind.tolist() == both.kind.tolist()
        assert (each.appeal.dtype, each.appeal[:, 0].any()) == (np.float32, False)
    monkeypatch.setattr(simulator, "MAX_APPEALS", 100)
    training_truth(tiny_interactions)
    with pytest.raises(InputError, match=r"at most 100 pairs .* --simulated-by both"):
        training_truth(tiny_interactions, by="both")


def test_boredom_below_nought_is_refused() -> None:
    with pytest.raises(ValueError, match="Received: -1, 2"):
        made_up(np.zeros((1, 2), np.float32), np.array([1, 0]), Boredom(-1))
