"""The logged environment against plain Python that keeps sets and lists."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agents.tiny import environment_over, random_vectors, rated_by_all

from drrec.data.interactions import Interactions
from drrec.envs.config import LoggedConfig
from drrec.envs.logged import LoggedEnvironment
from drrec.envs.sessions import Sessions
from drrec.errors import InputError

L, T = 3, 5


@pytest.fixture(scope="module")
def log() -> Interactions:
    """12 users with 3 to 14 of 20 items, rated 1 to 5; item 20 is rated by nobody who plays."""
    generator = np.random.default_rng(4)
    rows = [
        (user, item, float(generator.integers(1, 6)))
        for user, size in enumerate(generator.integers(3, 15, 12))
        for item in generator.choice(19, size, replace=False)
    ]
    rows += [(12, 19, 5.0)]
    users, items, ratings = zip(*rows, strict=True)
    return Interactions.from_raw(
        np.array(users).astype(str),
        np.array(items).astype(str),
        np.array(ratings, np.float32),
        generator.permutation(len(rows)),
    )


@pytest.fixture(scope="module")
def sessions(log) -> Sessions:
    return Sessions.over(*log.past_and_future(0.5), L)


def environment(log, sessions, unlogged="never", predicted=None, **settings):
    config = LoggedConfig(unlogged=unlogged, state_size=L, episode_length=T, **settings)
    return LoggedEnvironment(config, log, sessions, predicted)


def ratings_of(log):
    columns = (log.user, log.item, log.rating)
    return {(u, i): r for u, i, r in zip(*(c.tolist() for c in columns), strict=True)}


def every_pair(log):
    users, items = np.divmod(np.arange(log.num_users * log.num_items), log.num_items)
    # The last user has a single rating, the others more: all lie beside another's rows.
    return users.astype(np.int32), items.astype(np.int32)


def test_a_logged_item_pays_by_its_rating_and_any_other_the_constant(log, sessions):
    users, items = every_pair(log)
    env = environment(log, sessions, "constant", unlogged_reward=-0.75)
    paid = env.reward(tf.constant(users), tf.constant(items)).numpy()
    ratings = ratings_of(log)
    expected = [
        (ratings[pair] - 3) / 2 if pair in ratings else -0.75
        for pair in zip(users.tolist(), items.tolist(), strict=True)
    ]
    np.testing.assert_array_equal(paid, np.array(expected, np.float32))


def test_an_unlogged_item_pays_what_the_model_predicts_within_the_scale(log, sessions):
    users, items = every_pair(log)
    user, item = random_vectors(log, dim=2)
    user *= 8
    env = environment(log, sessions, "model", predicted=(user, item, 3.25))
    paid = env.reward(tf.constant(users), tf.constant(items)).numpy()
    ratings = ratings_of(log)
    predicted = np.clip(3.25 + np.sum(user[users] * item[items], axis=1), 1, 5)
    assert {1.0, 5.0} < set(predicted.tolist())
    for pair, reward, rating in zip(zip(users, items, strict=True), paid, predicted, strict=True):
        assert reward == pytest.approx((ratings.get(pair, rating) - 3) / 2, abs=1e-5)


def test_predictions_go_with_the_model_only(log, sessions):
    with pytest.raises(ValueError, match="predicted"):
        environment(log, sessions, "model")
    with pytest.raises(ValueError, match="predicted"):
        environment(log, sessions, "never", predicted=(*random_vectors(log), 3.0))


def may_be_shown(log, sessions, user, shown, unlogged):
    if unlogged == "never":
        return set(sessions.candidates[user].tolist()) - set(shown) - {0}
    known, _ = log.past_and_future(0.5)
    return set(log.item.tolist()) - set(known.item[known.user == user].tolist()) - set(shown)


UNLOGGED = st.sampled_from(["never", "constant"])


@settings(max_examples=30)
@given(data=st.data(), unlogged=UNLOGGED)
def test_a_session_against_sets_and_lists(log, sessions, data, unlogged):
    env = environment(log, sessions, unlogged, unlogged_reward=0.25)
    ratings = ratings_of(log)
    users = data.draw(st.lists(st.sampled_from(sessions.playing.tolist()), min_size=1, max_size=3))
    state = env.start(tf.constant(users, tf.int32))
    shown = [[] for _ in users]
    histories = sessions.history[users].tolist()
    for step in range(1, T + 2):
        available = env.available(state.user, state.shown).numpy()
        expected = [
            may_be_shown(log, sessions, user, theirs, unlogged)
            for user, theirs in zip(users, shown, strict=True)
        ]
        assert [set(np.flatnonzero(row).tolist()) for row in available] == expected
        if step > T or not all(expected):
            break
        items = [data.draw(st.sampled_from(sorted(left))) for left in expected]
        state, outcome = env.step(state, tf.constant(items, tf.int32))
        for row, (user, item) in enumerate(zip(users, items, strict=True)):
            reward = (ratings[user, item] - 3) / 2 if (user, item) in ratings else 0.25
            assert outcome.reward[row] == reward
            shown[row].append(item)
            if reward > 0:
                histories[row] = [*histories[row][1:], item]
            left = may_be_shown(log, sessions, user, shown[row], unlogged)
            assert bool(outcome.terminal[row]) == (not left)
            assert bool(outcome.done[row]) == (not left or step == T)
        assert state.history.numpy().tolist() == histories == outcome.next_history.numpy().tolist()
        assert state.shown.numpy().tolist() == [row + [0] * (T - step) for row in shown]
        assert outcome.next_shown.numpy().tolist() == state.shown.numpy().tolist()
        assert state.step.numpy().tolist() == [step] * len(users)


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), count=st.integers(0, T), unlogged=UNLOGGED)
def test_the_item_chosen_is_the_best_that_is_available(log, sessions, seed, count, unlogged):
    generator = np.random.default_rng(seed)
    env = environment(log, sessions, unlogged)
    users = generator.choice(sessions.playing, 4)
    shown = np.zeros((4, T), np.int32)
    for row, user in enumerate(users):
        left = sorted(may_be_shown(log, sessions, user, [], unlogged))
        drawn = generator.permutation(left)[: min(count, len(left) - 1)]
        shown[row, : len(drawn)] = drawn
    scores = generator.normal(size=(4, log.num_items)).astype(np.float32)
    chosen = env.choose(tf.constant(scores), tf.constant(users), tf.constant(shown)).numpy()
    for row, user in enumerate(users):
        left = may_be_shown(log, sessions, user, shown[row].tolist(), unlogged)
        assert chosen[row] == max(left, key=lambda item, row=row: scores[row, item])


def test_every_score_may_be_negative_and_padding_is_still_never_chosen(log, sessions):
    env = environment(log, sessions)
    users = tf.constant(sessions.playing)
    shown = tf.zeros([len(sessions.playing), T], tf.int32)
    scores = tf.fill([len(sessions.playing), log.num_items], -1e30)
    assert (env.choose(scores, users, shown).numpy() > 0).all()


def test_a_dislike_leaves_the_history_and_a_like_moves_it():
    log = rated_by_all(2, 8, rating=5.0)
    for rating, expected in ((3.0, [2, 3, 4]), (4.0, [3, 4, 7])):
        rated = log.rating.copy()
        rated[log.item == 7] = rating
        env = environment_over(dataclasses.replace(log, rating=rated), state_size=3)
        state, outcome = env.step(env.start(tf.constant([1])), tf.constant([7]))
        assert state.history.numpy().tolist() == [expected]
        assert outcome.next_history.numpy().tolist() == [expected]


def test_only_sessions_that_are_done_start_anew(log, sessions):
    env = environment(log, sessions)
    first, second, third = sessions.playing[:3].tolist()
    state = env.start(tf.constant([first, second]))
    items = [int(np.flatnonzero(row)[0]) for row in env.available(state.user, state.shown).numpy()]
    state, _ = env.step(state, tf.constant(items, tf.int32))
    after = env.restart(state, tf.constant([True, False]), tf.constant([third, third]))
    fresh = env.start(tf.constant([third]))
    for column, old, new in zip(after, state, fresh, strict=True):
        np.testing.assert_array_equal(column[0], new[0])
        np.testing.assert_array_equal(column[1], old[1])
    assert after.step.numpy().tolist() == [0, 1]


def test_users_are_drawn_uniformly_from_those_who_can_play(log, sessions):
    env = environment(log, sessions)
    drawn = env.draw_users(6000, tf.constant([3, 4])).numpy()
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == sessions.playing.tolist()
    expected = 6000 / len(sessions.playing)
    # Chi-square with fewer than 12 degrees of freedom: 40 has a chance of 1 in 10,000.
    assert np.sum((counts - expected) ** 2 / expected) < 40
    assert (env.draw_users(6000, tf.constant([3, 5])).numpy() != drawn).any()


def test_the_mean_of_what_is_shown(log, sessions):
    _, item = random_vectors(log)
    shown = sessions.candidates[sessions.candidates > 0]
    mean = environment(log, sessions).mean_logged(tf.constant(item))
    np.testing.assert_allclose(mean, item[shown].mean(axis=0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("setting", ["state_size", "episode_length"])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError, match=f"`{setting}`|at least 1"):
        LoggedConfig(**{setting: 0})


@pytest.mark.parametrize("reward", [-1.5, 1.01, float("nan")])
def test_a_reward_that_no_rating_pays_is_refused(reward):
    with pytest.raises(InputError, match=r"`unlogged_reward` must be in \[-1, 1\]"):
        LoggedConfig(unlogged_reward=reward)
