"""The exact optimum against trying everything, and greed against plain Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluation.worlds import best_by_trying_all, random_truth, reward_of

from drrec.data.interactions import IdMap
from drrec.evaluation import optimum
from drrec.evaluation.optimum import (
    bayesian_rewards,
    best_rewards,
    bored_appeal,
    greedy_rewards,
)
from drrec.worlds.world import Truth, World


def truths(max_items=6, num_kinds=3):
    return st.builds(
        random_truth,
        st.integers(0, 10_000),
        num_users=st.just(2),
        kinds=st.lists(st.integers(0, num_kinds - 1), min_size=4, max_size=max_items),
        num_kinds=st.just(num_kinds),
        window=st.integers(1, 3),
    )


@settings(max_examples=25)
@given(truth=truths(), steps=st.integers(1, 4))
def test_no_order_of_any_films_earns_more(truth, steps):
    users = np.array([1, 0])
    expected = [best_by_trying_all(truth, user, steps) for user in users]
    assert best_rewards(truth, users, steps) == pytest.approx(expected, abs=1e-5)


@settings(max_examples=25)
@given(truth=truths(max_items=8), steps=st.integers(1, 4))
def test_greed_takes_the_best_film_each_time(truth, steps):
    for user, total in enumerate(greedy_rewards(truth, np.array([0, 1]), steps)):
        shown = ()
        for _ in range(steps):
            left = set(range(1, len(truth.kind))) - set(shown)
            shown += (max(left, key=lambda i, s=shown: reward_of(truth, user, (*s, i))[-1]),)
        assert total == pytest.approx(sum(reward_of(truth, user, shown)), abs=1e-5)


@given(truth=truths(), order=st.permutations([1, 2, 3, 4]))
def test_what_a_film_would_please_now(truth, order):
    *shown, item = order
    appeal = bored_appeal(truth, np.array([1]), np.array([shown]))
    assert appeal[0, item] == pytest.approx(reward_of(truth, 1, tuple(order))[-1], abs=1e-5)


@settings(max_examples=25)
@given(truth=truths(max_items=8), steps=st.integers(1, 4))
def test_where_all_users_are_alike_a_planner_knows_them(truth, steps):
    alike = truth._replace(appeal=np.tile(truth.appeal[:1], (3, 1)))
    users = np.array([2, 0])
    found = bayesian_rewards(alike, users, steps)
    assert found == pytest.approx(best_rewards(alike, users, steps), abs=1e-4)


def test_two_kinds_of_users_are_told_apart_by_the_first_film():
    # One half loves odd films, the other even ones; film 1 pleases a little more on average.
    appeal = np.zeros((8, 13), np.float32)
    appeal[:4, 1::2], appeal[:4, 2::2] = 1.0, -1.0
    appeal[4:, 1::2], appeal[4:, 2::2] = -0.9, 1.0
    nobody_bored = np.zeros((2, 2), np.float32)
    truth = Truth(appeal, np.array([1, *[0] * 12], np.int32), nobody_bored, 1)
    found = bayesian_rewards(truth, np.arange(8), 6)
    assert found == pytest.approx([6.0] * 4 + [4.1] * 4, abs=1e-3)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), seen=st.integers(1, 4))
def test_beliefs_are_the_conditional_gaussian(seed, seen):
    rng = np.random.default_rng(seed)
    directions, told = rng.normal(size=(seen, 5)), rng.normal(size=seen)
    taste, doubt = np.zeros((1, 5)), np.eye(5)[None]
    for direction, value in zip(directions, told, strict=True):
        taste, doubt = optimum._narrowed(taste, doubt, direction[None], np.array([value]))
    inside = directions @ directions.T + optimum._LEAST_SPREAD * np.eye(seen)
    gain = np.linalg.solve(inside, directions).T
    np.testing.assert_allclose(taste[0], gain @ told, atol=1e-3)
    np.testing.assert_allclose(doubt[0], np.eye(5) - gain @ directions, atol=1e-3)


def test_more_users_than_are_taken_at_once():
    truth = random_truth(3, num_users=35, kinds=[0, 1, 2, 0, 1], num_kinds=3, window=2)
    together = best_rewards(truth, np.arange(35), 4)
    assert together.tolist() == [best_rewards(truth, np.array([u]), 4)[0] for u in range(35)]


def test_more_steps_than_films_are_refused():
    truth = random_truth(3, num_users=1, kinds=[0, 1], num_kinds=2, window=1)
    with pytest.raises(ValueError, match=r"Expected 3 films. Received: 2"):
        best_rewards(truth, np.array([0]), 3)


def test_looking_ahead_is_worth_a_quarter_more_than_greed_in_the_world_of_demo():
    world = World.drawn(np.random.default_rng(0), 400, 16)
    items = IdMap(np.array(["", *world.items]), "item")
    truth = world.truth(IdMap(world.users, "user"), items)
    users = np.arange(16)
    best, greedy = best_rewards(truth, users, 20), greedy_rewards(truth, users, 20)
    assert (best >= greedy - 1e-4).all()
    assert best.mean() > 1.25 * greedy.mean()
    learning = bayesian_rewards(truth, users, 20)
    assert (learning <= best + 1e-4).all()
    assert greedy.mean() < learning.mean() < best.mean()
    assert greedy.mean() > 0
