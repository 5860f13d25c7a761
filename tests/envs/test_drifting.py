"""Sessions of the drifting world against what NumPy says they earn."""

import numpy as np
import pytest
import tensorflow as tf

from drrec.envs.config import LoggedConfig
from drrec.envs.drifting import DriftingEnvironment
from drrec.errors import InputError
from drrec.worlds.drifting import DriftingWorld, best_sessions, chance_rewards, earned, regret

NUM_USERS, STEPS = 40, 5


@pytest.fixture(scope="module")
def world() -> DriftingWorld:
    rng = np.random.default_rng(2)
    return DriftingWorld.drawn(rng, num_users=NUM_USERS, num_items=9, dim=4, steps=STEPS, turn=0.7)


@pytest.fixture(scope="module")
def log(world):
    return world.log(np.random.default_rng(0), 6)


@pytest.fixture(scope="module")
def environment(world, log) -> DriftingEnvironment:
    return DriftingEnvironment(LoggedConfig(state_size=3, episode_length=STEPS), log, world)


def played(environment, users, choose) -> tuple[np.ndarray, np.ndarray]:
    """Totals [B] and items [B, T] of one compiled session each."""
    step = tf.function(environment.step, jit_compile=True)
    state = environment.start(tf.constant(users, tf.int32))
    total = np.zeros(len(users))
    for _ in range(STEPS):
        state, outcome = step(state, choose(state))
        total += outcome.reward.numpy()
    assert outcome.done.numpy().all()
    return total, state.shown.numpy()


def test_whoever_knows_the_truth_regrets_nothing(world, environment) -> None:
    users = np.arange(NUM_USERS)
    best = best_sessions(world, users)
    total, shown = played(environment, users, lambda s: tf.constant(best)[:, s.step[0]])
    np.testing.assert_array_equal(shown, best)
    np.testing.assert_allclose(total, earned(world, users, best), atol=1e-5)
    np.testing.assert_allclose(regret(world, users, shown), 0, atol=1e-9)


def test_a_policy_by_lot_earns_what_is_expected(world, environment) -> None:
    users = np.repeat(np.arange(NUM_USERS), 100)
    rng = np.random.default_rng(0)

    def by_lot(state):
        return environment.choose(
            tf.constant(rng.random((len(users), 10)), tf.float32), state.user, state.shown
        )

    total, shown = played(environment, users, by_lot)
    np.testing.assert_allclose(total, earned(world, users, shown), atol=1e-5)
    each = total.reshape(NUM_USERS, 100)
    error = (each.mean(axis=1) - chance_rewards(world, np.arange(NUM_USERS))) / (
        each.std(axis=1) / 10
    )
    assert np.abs(error).max() < 4
    assert abs(error.mean()) < 3 / NUM_USERS**0.5
    assert regret(world, users, shown).mean() > 0.5


def test_what_pleases_moves_the_history(world, log, environment) -> None:
    users = np.arange(NUM_USERS)
    state = environment.start(tf.constant(users, tf.int32))
    np.testing.assert_array_equal(state.history, log.liked_histories(3))
    for item in (1, 2):
        before, step = state, state.step.numpy()
        state, outcome = environment.step(state, tf.fill([NUM_USERS], item))
        reward = np.einsum("ud,d->u", world.user[users, step], world.item[item])
        np.testing.assert_allclose(outcome.reward, reward, atol=1e-6)
        moved = state.history.numpy()[:, -1] == item
        unmoved = (state.history.numpy() == before.history.numpy()).all(axis=1)
        np.testing.assert_array_equal(moved & ~unmoved, reward > 0)
    vectors = np.arange(20, dtype=np.float32).reshape(10, 2)
    np.testing.assert_allclose(environment.mean_logged(tf.constant(vectors)), vectors[1:].mean(0))


def test_sessions_longer_than_the_drift_are_refused(world, log) -> None:
    with pytest.raises(InputError, match="at most 5 steps"):
        DriftingEnvironment(LoggedConfig(episode_length=6), log, world)
