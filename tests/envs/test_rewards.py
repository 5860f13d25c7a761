"""The reward's terms against their definitions, and the sum that sessions pay."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from tests.agents.tiny import random_vectors

from drrec.data.interactions import Interactions
from drrec.envs.config import LoggedConfig, RewardConfig
from drrec.envs.logged import LoggedEnvironment
from drrec.envs.rewards import (
    Rewards,
    diversity_term,
    novelty_term,
    rating_term,
    visits_returned,
)
from drrec.envs.sessions import Sessions
from drrec.errors import InputError

HOUR, DAY = 3600, 86_400
BEGIN = 880_000_000
ALL = RewardConfig(
    reward_rating=0.5, reward_novelty=0.25, reward_diversity=2.0, reward_return=1.0, return_days=3
)


def log_at(times):
    """{user: [hours]} -> a log of one item each, in that order."""
    rows = [(user, hour) for user, hours in times.items() for hour in hours]
    users, hours = zip(*rows, strict=True)
    return Interactions.from_raw(
        list(users),
        np.arange(len(rows)).astype(str),
        np.full(len(rows), 4.0),
        BEGIN + np.array(hours) * HOUR,
    )


def test_ratings_pay_from_minus_one_to_one():
    paid = rating_term(tf.constant([1.0, 2.0, 3.0, 4.0, 5.0])).numpy()
    assert paid.tolist() == [-1, -0.5, 0, 0.5, 1]


def test_novelty_is_the_share_of_the_most_bits_there_can_be():
    raters = tf.constant([16.0, 8.0, 4.0, 1.0, 0.0])
    np.testing.assert_allclose(novelty_term(raters, 16), [0, 0.25, 0.5, 1, 1], atol=1e-6)
    assert novelty_term(tf.constant([1.0, 0.0]), 1).numpy().tolist() == [0, 0]


@given(
    count=st.integers(0, 4),
    angle=st.floats(0, 2 * math.pi),
    others=st.lists(st.floats(0, 2 * math.pi), min_size=4, max_size=4),
)
def test_diversity_is_half_of_one_less_the_mean_cosine(count, angle, others):
    item = np.array([[np.cos(angle), np.sin(angle)]], np.float32)
    history = np.zeros((1, 4, 2), np.float32)
    for place, other in enumerate(others[:count], 4 - count):
        history[0, place] = np.cos(other), np.sin(other)
    found = diversity_term(tf.constant(item), tf.constant(history)).numpy()[0]
    cosines = [np.cos(angle - other) for other in others[:count]]
    assert found == pytest.approx((1 - np.mean(cosines)) / 2 if count else 0, abs=1e-5)
    assert 0 <= found <= 1


def test_the_same_again_is_not_diverse_and_the_opposite_is_most():
    item = tf.constant([[1.0, 0.0], [1.0, 0.0]])
    history = tf.constant([[[0.0, 0.0], [1.0, 0.0]], [[-1.0, 0.0], [-1.0, 0.0]]])
    assert diversity_term(item, history).numpy().tolist() == [0, 1]


def test_who_comes_back_within_the_days_after_a_night_has_come_back():
    log = log_at(
        {
            # Two in one visit, the next within 3 days of the visit's end; then 5 days of silence.
            "a": [0, 7, 7 + 72, 7 + 72 + 120],
            # An hour's break is no visit of its own.
            "b": [0, 1, 2],
            # Just a night, and a second more than three days.
            "c": [0, 8, 8 + 72 + 1],
            "d": [100],
        }
    )
    returned = visits_returned(log, 3)
    by_user = {raw: returned[log.user == u].tolist() for u, raw in enumerate("abcd")}
    assert by_user == {"a": [1, 1, 0, 0], "b": [0, 0, 0], "c": [1, 0, 0], "d": [0]}


def test_visits_of_one_user_are_not_those_of_the_next():
    log = log_at({"a": [0], "b": [24, 48]})
    assert visits_returned(log, 3).tolist() == [0, 1, 0]


def test_a_log_without_time_stamps_or_without_returns_is_refused(tiny_interactions):
    numbered = dataclasses.replace(tiny_interactions, timestamp=np.arange(len(tiny_interactions)))
    with pytest.raises(InputError, match=r"time stamps for --reward-return"):
        visits_returned(numbered, 7)
    with pytest.raises(InputError, match=r"within 7 days\. Received: none comes back"):
        visits_returned(log_at({"a": [0, 1], "b": [5]}), 7)


@pytest.mark.parametrize(
    "weights",
    [
        {"reward_rating": -1.0},
        {"reward_novelty": math.inf},
        {"reward_diversity": math.nan},
        {"reward_rating": 0.0},
    ],
)
def test_weights_that_mean_nothing_are_refused(weights):
    with pytest.raises(InputError, match="Expected weights of rewards"):
        RewardConfig(**weights)


def test_days_that_nobody_can_come_back_in_are_refused():
    with pytest.raises(InputError, match="`return_days` must be above 0"):
        RewardConfig(return_days=0)


@pytest.fixture(scope="module")
def log(tiny_interactions):
    """The tiny log with visits: about 12 hours between a user's rows."""
    generator = np.random.default_rng(0)
    pauses = generator.exponential(30 * HOUR, len(tiny_interactions)).astype(np.int64)
    return dataclasses.replace(tiny_interactions, timestamp=BEGIN + np.cumsum(pauses))


def environment(log, rewards, **settings):
    config = LoggedConfig(
        unlogged="constant", state_size=3, episode_length=4, rewards=rewards, **settings
    )
    sessions = Sessions.over(*log.past_and_future(0.5), 3)
    made = Rewards.over(rewards, log, random_vectors(log)[1])
    return LoggedEnvironment(config, log, sessions, rewards=made)


@pytest.fixture(scope="module")
def played(log):
    """Four users shown four items each, by rating alone and by the whole sum."""
    outcomes = {}
    users = tf.constant([0, 7, 30, 59])
    scores = tf.constant(np.random.default_rng(3).normal(size=(4, log.num_items)), tf.float32)
    for name, weights in {"plain": RewardConfig(), "all": ALL}.items():
        env = environment(log, weights)
        state = env.start(users)
        steps = []
        for _ in range(4):
            item = env.choose(scores, state.user, state.shown)
            after, outcome = env.step(state, item)
            steps.append((state, item.numpy(), outcome))
            state = after
        outcomes[name] = steps
    return outcomes


def test_each_term_is_what_its_definition_says_of_the_session(log, played):
    vectors = random_vectors(log)[1]
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    returned = visits_returned(log, 3)
    pairs = zip(log.user.tolist(), log.item.tolist(), strict=True)
    came_back = dict(zip(pairs, returned.tolist(), strict=True))
    seen = {name: set() for name in ("novelty", "diversity", "return")}
    for state, items, outcome in played["all"]:
        assert set(outcome.terms) == {"rating", "novelty", "diversity", "return"}
        for row, (user, item) in enumerate(zip(state.user.numpy(), items, strict=True)):
            history = state.history.numpy()[row]
            cosines = [unit[item] @ unit[i] for i in history if i]
            raters = (log.item == item).sum()
            expected = {
                "rating": outcome.pleased.numpy()[row],
                "novelty": math.log(60 / raters) / math.log(60),
                "diversity": (1 - np.mean(cosines)) / 2 if cosines else 0,
                "return": came_back.get((user, item), 0),
            }
            for name, value in expected.items():
                assert outcome.terms[name].numpy()[row] == pytest.approx(value, abs=1e-5)
            for name, values in seen.items():
                values.add(round(float(expected[name]), 4))
            total = sum(ALL.weights[name] * value for name, value in expected.items())
            assert outcome.reward.numpy()[row] == pytest.approx(total, abs=1e-5)
    assert all(len(values) > 1 for values in seen.values())  # none of them is a constant


def test_it_compiles_and_pays_the_same(log, played):
    env = environment(log, ALL)
    state, items, outcome = played["all"][2]
    step = tf.function(env.step, jit_compile=True)
    _, compiled = step(state, tf.constant(items))
    np.testing.assert_allclose(compiled.reward, outcome.reward, rtol=1e-5)
    for name, term in outcome.terms.items():
        np.testing.assert_allclose(compiled.terms[name], term, rtol=1e-5, atol=1e-6)


def test_novelty_counts_users_and_not_rows(log):
    rows = np.repeat(np.arange(len(log)), np.where(log.item == 7, 3, 1))
    columns = {name: getattr(log, name)[rows] for name in ("user", "item", "rating", "timestamp")}
    weights = RewardConfig(reward_novelty=1.0)
    found = []
    for each in (log, dataclasses.replace(log, **columns)):
        rewards = Rewards.over(weights, each, random_vectors(each)[1])
        found.append(rewards.terms(None, tf.constant([7]), tf.constant([1.0]))["novelty"].numpy())
    np.testing.assert_array_equal(*found)


def test_only_the_rating_says_what_is_liked(played):
    differs = False
    for (state, items, plain), (_, same, summed) in zip(*played.values(), strict=True):
        np.testing.assert_array_equal(items, same)
        np.testing.assert_array_equal(plain.pleased, summed.pleased)
        np.testing.assert_array_equal(plain.next_history, summed.next_history)
        differs |= bool(((plain.reward.numpy() > 0) != (summed.reward.numpy() > 0)).any())
        moved = (plain.next_history.numpy() != state.history.numpy()).any(axis=1)
        np.testing.assert_array_equal(moved, plain.pleased.numpy() > 0)
    assert differs


def test_by_default_the_reward_is_as_it_pleased_and_nothing_is_made_for_it(log, played):
    assert Rewards.over(RewardConfig(), log, random_vectors(log)[1]) is None
    for _, _, outcome in played["plain"]:
        assert outcome.reward is outcome.pleased
        assert outcome.terms == {}


def test_tables_of_rewards_go_with_their_weights(log):
    sessions = Sessions.over(*log.past_and_future(0.5), 3)
    with pytest.raises(ValueError, match="`rewards` goes with"):
        LoggedEnvironment(LoggedConfig(rewards=ALL, state_size=3), log, sessions)
