"""Living sessions against plain Python, and against the reading of the truth that judges them."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluation.worlds import log_of_all, random_truth, reward_of

from drrec.data.histories import items_of, opening, rewards_of
from drrec.envs.config import LoggedConfig
from drrec.envs.living import LivingEnvironment

NUM_USERS, NUM_ITEMS, L, T = 4, 9, 3, 5


@pytest.fixture(scope="module")
def truth():
    kinds = [i % 3 for i in range(NUM_ITEMS)]
    return random_truth(5, num_users=NUM_USERS, kinds=kinds, num_kinds=3, window=2)


@pytest.fixture(scope="module")
def log():
    return log_of_all(NUM_USERS, NUM_ITEMS)


@pytest.fixture(scope="module")
def environment(log, truth):
    return LivingEnvironment(LoggedConfig(state_size=L, episode_length=T), log, truth)


@settings(max_examples=20)
@given(data=st.data())
def test_a_session_pays_appeal_less_boredom_and_only_likes_move_the_history(
    log, truth, environment, data
):
    users = data.draw(st.lists(st.integers(0, NUM_USERS - 1), min_size=1, max_size=3))
    state = environment.start(tf.constant(users, tf.int32))
    histories = log.liked_histories(L)[users].tolist()
    assert state.history.numpy().tolist() == histories
    shown = [()] * len(users)
    for step in range(1, T + 1):
        available = environment.available(state.user, state.shown).numpy()
        items = []
        for row in range(len(users)):
            left = sorted(set(range(1, NUM_ITEMS + 1)) - set(shown[row]))
            assert np.flatnonzero(available[row]).tolist() == left
            items.append(data.draw(st.sampled_from(left)))
            shown[row] += (items[-1],)
        state, outcome = environment.step(state, tf.constant(items, tf.int32))
        for row, user in enumerate(users):
            reward = reward_of(truth, user, shown[row])[-1]
            assert outcome.reward.numpy()[row] == pytest.approx(reward, abs=1e-5)
            if reward > 0:
                histories[row] = [*histories[row][1:], items[row]]
        assert outcome.next_history.numpy().tolist() == histories
        assert not outcome.terminal.numpy().any()
        assert outcome.done.numpy().tolist() == [step == T] * len(users)


@settings(max_examples=10)
@given(data=st.data())
def test_with_rewards_everything_shown_moves_the_history(log, truth, data):
    config = LoggedConfig(state_size=L, episode_length=T)
    environment = LivingEnvironment(config, log, truth, with_rewards=True)
    assert environment.with_rewards
    state = environment.start(tf.constant([1, 3], tf.int32))
    history = opening(log, L, with_rewards=True)[[1, 3]]
    np.testing.assert_array_equal(state.history, history)
    shown = data.draw(st.lists(st.integers(1, NUM_ITEMS), min_size=T, max_size=T, unique=True))
    for item in shown:
        state, outcome = environment.step(state, tf.constant([item, item]))
    last = state.history.numpy()
    assert items_of(last).tolist() == [shown[-L:]] * 2
    for row, user in enumerate((1, 3)):
        expected = reward_of(truth, user, tuple(shown))[-L:]
        assert rewards_of(last)[row] == pytest.approx(expected, abs=1e-5)
    np.testing.assert_array_equal(outcome.next_history, last)


def test_whoever_starts_anew_is_not_bored(truth, environment):
    state = environment.start(tf.constant([2], tf.int32))
    for item in (1, 4):
        state, _ = environment.step(state, tf.constant([item]))
    fresh = environment.restart(state, tf.constant([True]), tf.constant([2]))
    assert environment.paid(fresh, tf.constant([7])).numpy()[0] == truth.appeal[2, 7]
    assert environment.paid(state, tf.constant([7])).numpy()[0] != truth.appeal[2, 7]


def test_it_compiles_and_pays_the_same(environment):
    state = environment.start(tf.constant([0, 3], tf.int32))
    state, _ = environment.step(state, tf.constant([1, 2]))
    item = tf.constant([3, 5])
    compiled = tf.function(environment.paid, jit_compile=True)(state, item)
    np.testing.assert_allclose(compiled, environment.paid(state, item), rtol=1e-6)


def test_everybody_plays_and_the_mean_is_of_the_catalogue(environment):
    drawn = environment.draw_users(400, tf.constant([1, 2])).numpy()
    assert set(drawn.tolist()) == set(range(NUM_USERS))
    vectors = np.arange(2 * (NUM_ITEMS + 1), dtype=np.float32).reshape(-1, 2)
    mean = environment.mean_logged(tf.constant(vectors))
    np.testing.assert_allclose(mean, vectors[1:].mean(axis=0))
