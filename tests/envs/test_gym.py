"""The Gymnasium adapter: passes Gymnasium's own checker, and plays as the logged environment."""

import os
import pathlib
import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from tests.agents.tiny import environment_over, random_vectors, rated_by_all

from drrec.envs.config import LoggedConfig, RewardConfig
from drrec.envs.gym import LoggedSession
from drrec.envs.logged import LoggedEnvironment
from drrec.envs.rewards import Rewards
from drrec.envs.sessions import Sessions

DIM = 4


def made(log, **settings):
    return LoggedSession(environment_over(log, **settings), *random_vectors(log, DIM))


def played(env, actions, seed):
    """Everything that a session returned."""
    seen = [env.reset(seed=seed)]
    for action in actions:
        seen.append(env.step(action))
        if seen[-1][2] or seen[-1][3]:
            break
    return seen


def actions(count, seed=0):
    drawn = np.random.default_rng(seed).uniform(-1, 1, (count, DIM))
    return drawn.astype(np.float32)


def test_gymnasium_finds_nothing_to_say(tiny_interactions):
    spec = EnvSpec("Logged-v0", entry_point=lambda: made(tiny_interactions))
    env = gymnasium.make(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)


def test_importing_the_environments_does_not_import_gymnasium():
    code = "import sys, drrec.experiment; sys.exit('gymnasium' in sys.modules)"
    place = os.environ | {"PYTHONPATH": str(pathlib.Path(__file__).parents[2] / "src")}
    assert subprocess.run([sys.executable, "-c", code], env=place, check=False).returncode == 0


def test_shows_the_available_item_that_the_action_scores_highest(tiny_interactions):
    env = made(tiny_interactions, episode_length=4)
    user_vectors, item_vectors = random_vectors(tiny_interactions, DIM)
    _, future = tiny_interactions.past_and_future(0.5)
    observation, info = env.reset(seed=3)
    left = set(future.item[future.user == info["user"]].tolist())
    np.testing.assert_array_equal(observation["user"], user_vectors[info["user"]])
    for action in actions(4):
        _, _, _, _, info = env.step(action)
        assert info["item"] == max(left, key=lambda item: item_vectors[item] @ action)
        left.remove(info["item"])


def test_pays_and_remembers_as_the_logged_environment(tiny_interactions):
    env = made(tiny_interactions, episode_length=6)
    logged = environment_over(tiny_interactions, episode_length=6)
    item_vectors = random_vectors(tiny_interactions, DIM)[1]
    ratings = {
        (int(u), int(i)): float(r)
        for u, i, r in zip(
            tiny_interactions.user, tiny_interactions.item, tiny_interactions.rating, strict=True
        )
    }
    observation, info = env.reset(seed=5)
    state = logged.start(tf.constant([info["user"]]))
    rewards = set()
    for action in actions(6, seed=2):
        np.testing.assert_array_equal(
            observation["history"], item_vectors[state.history[0].numpy()]
        )
        observation, reward, _, _, info = env.step(action)
        state, _ = logged.step(state, tf.constant([info["item"]]))
        assert info["rating"] == ratings[info["user"], info["item"]]
        assert reward == (info["rating"] - 3) / 2
        rewards.add(reward > 0)
    assert rewards == {False, True}


def test_the_rating_is_told_whatever_the_reward_is(tiny_interactions):
    weights = RewardConfig(reward_rating=0.5, reward_novelty=1.0)
    user, item = random_vectors(tiny_interactions, DIM)
    config = LoggedConfig(state_size=3, episode_length=4, rewards=weights)
    sessions = Sessions.over(*tiny_interactions.past_and_future(0.5), 3)
    rewards = Rewards.over(weights, tiny_interactions, item)
    logged = LoggedEnvironment(config, tiny_interactions, sessions, rewards=rewards)
    pairs = zip(tiny_interactions.user.tolist(), tiny_interactions.item.tolist(), strict=True)
    ratings = dict(zip(pairs, tiny_interactions.rating.tolist(), strict=True))
    for _, reward, _, _, info in played(LoggedSession(logged, user, item), actions(4), seed=5)[1:]:
        assert info["rating"] == ratings[info["user"], info["item"]]
        assert reward > (info["rating"] - 3) / 4


def test_same_seed_same_session_and_another_seed_another_user(tiny_interactions):
    env = made(tiny_interactions)
    first, again = (played(env, actions(4), seed=11) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one[0]["history"], other[0]["history"])
        assert one[1:] == other[1:]
    users = {env.reset(seed=seed)[1]["user"] for seed in range(20)}
    assert len(users) > 5
    env.reset(seed=0)
    assert len({env.reset()[1]["user"] for _ in range(20)}) > 5


def test_running_out_of_items_terminates():
    # Four items each, of which the later two are shown.
    session = played(made(rated_by_all(3, 4), episode_length=3), actions(9), seed=0)
    assert [step[2:4] for step in session[1:]] == [(False, False), (True, False)]


def test_the_time_limit_truncates():
    session = played(made(rated_by_all(3, 20), episode_length=3), actions(9), seed=0)
    assert [step[2:4] for step in session[1:]] == [(False, False), (False, False), (False, True)]


def test_an_end_at_the_time_limit_is_an_end():
    session = played(made(rated_by_all(3, 4), episode_length=2), actions(9), seed=0)
    assert session[-1][2:4] == (True, False)


def test_no_step_without_a_session_under_way():
    env = made(rated_by_all(3, 4), episode_length=3)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(actions(1)[0])
    played(env, actions(9), seed=0)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(actions(1)[0])
