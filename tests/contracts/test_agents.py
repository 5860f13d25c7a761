"""What every agent in the registry must hold; a newcomer is tested without being listed.

Nothing is compiled here, so that each agent is built in a moment: iterations run in Python.
"""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from tests.agents.tiny import environment_over, random_vectors, small

from drrec.agents.checkpoint import named_variables, restore_latest, save_checkpoint
from drrec.envs.config import LoggedConfig, RewardConfig
from drrec.envs.logged import LoggedEnvironment
from drrec.envs.rewards import Rewards
from drrec.envs.sessions import Sessions
from drrec.nn.actor_critic import reads_rewards
from drrec.registry import AGENTS, STATES, agent_config
from drrec.types import Scorer

pytestmark = pytest.mark.parametrize("name", AGENTS)

# In Python each update takes a tenth of a second: a rollout is short and is learned from twice.
CHEAP = {"horizon": 2, "epochs": 1, "minibatches": 2}


def _cheap(name):
    known = {field.name for field in dataclasses.fields(agent_config(name))}
    return {key: value for key, value in CHEAP.items() if key in known}


@pytest.fixture(autouse=True)
def _in_python():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def made(name, log, seed=0, **settings):
    config = small(name, **(_cheap(name) | settings))
    environment = environment_over(log, with_rewards=reads_rewards(config))
    return AGENTS[name].over(config, environment, *random_vectors(log), seed)


def values_of(agent):
    return {name: variable.numpy() for name, variable in named_variables(agent.learner)}


def run(agent, iterations=2):
    agent.run(tf.constant(iterations))
    return values_of(agent)


def assert_equal(values, expected):
    assert values.keys() == expected.keys()
    for path, value in values.items():
        np.testing.assert_array_equal(value, expected[path], err_msg=path)


def test_same_seed_same_weights_and_another_seed_others(name, tiny_interactions):
    first, again = (run(made(name, tiny_interactions, seed=3)) for _ in range(2))
    other = run(made(name, tiny_interactions, seed=4), 1)
    assert_equal(first, again)
    differing = {path for path, value in first.items() if (value != other[path]).any()}
    assert any("/networks/" in path for path in differing)
    assert "/sessions/user" in differing


def test_every_iteration_is_a_step_of_each_session(name, tiny_interactions):
    agent = made(name, tiny_interactions, num_envs=5)
    assert agent.steps == 0
    run(agent, 2)
    assert agent.steps == 10 * agent.steps_each == 2 * agent.steps_an_iteration


def test_a_checkpoint_carries_on_as_if_nothing_had_been(name, tiny_interactions, tmp_path):
    agent = made(name, tiny_interactions)
    run(agent, 1)
    save_checkpoint(tmp_path, agent.learner, agent.steps)
    expected = run(agent, 2)
    other = made(name, tiny_interactions, seed=0)
    assert restore_latest(tmp_path, other.learner) == other.steps == 4 * other.steps_each
    assert_equal(run(other, 2), expected)


@pytest.mark.parametrize("state", STATES)
def test_every_form_learns_something_finite(name, state, tiny_interactions):
    """Each agent has each state, and each form with either action; the next agent the others.

    So every state meets either form and either action in some agent: forms are the same in all.
    """
    turn, agents_turn = list(STATES).index(state), list(AGENTS).index(name)
    form = ("anchored", "plain")[(turn + agents_turn) % 2]
    critic_action = ("proto", "item")[(turn // 2 + agents_turn // 2) % 2]
    settings = {"form": form, "state": state, "clip_norm": 1.0}
    if state == "feedback":
        settings["dim_learned"] = 2
    if hasattr(agent_config(name), "critic_action"):
        settings["critic_action"] = critic_action
    agent = made(name, tiny_interactions, **settings)
    before = values_of(agent)
    after = run(agent, -(-3 // agent.steps_each))  # of TD3's actor, every second update
    assert all(np.isfinite(value).all() for value in after.values())
    layers = {
        part.name: getattr(agent.networks, part.name)
        for part in dataclasses.fields(agent.networks)
        if isinstance(getattr(agent.networks, part.name), keras.layers.Layer)
    }
    assert {"state", "actor"} < set(layers)
    for part, layer in layers.items():
        weights = [path for path in after if f"/networks/{part}/" in path]
        assert any((after[path] != before[path]).any() for path in weights) == bool(layer.weights)


@pytest.mark.parametrize("unlogged", ["never", "constant", "model"])
def test_every_reward_for_unlogged_items_goes(name, unlogged, tiny_interactions):
    vectors = random_vectors(tiny_interactions)
    config = LoggedConfig(unlogged=unlogged, state_size=3, episode_length=4)
    sessions = Sessions.over(*tiny_interactions.past_and_future(0.5), 3)
    predicted = (*vectors, 3.0) if unlogged == "model" else None
    environment = LoggedEnvironment(config, tiny_interactions, sessions, predicted)
    agent = AGENTS[name].over(small(name, **_cheap(name)), environment, *vectors, 0)
    assert all(np.isfinite(value).all() for value in run(agent, 1).values())


def test_the_terms_of_its_reward_are_told_apart(name, tiny_interactions):
    vectors = random_vectors(tiny_interactions)
    weights = RewardConfig(reward_rating=0.5, reward_novelty=2.0, reward_diversity=0.25)
    config = LoggedConfig(state_size=3, episode_length=4, rewards=weights)
    sessions = Sessions.over(*tiny_interactions.past_and_future(0.5), 3)
    rewards = Rewards.over(weights, tiny_interactions, vectors[1])
    environment = LoggedEnvironment(config, tiny_interactions, sessions, rewards=rewards)
    agent = AGENTS[name].over(small(name, **_cheap(name)), environment, *vectors, 0)
    for iterations in (2, 1):  # each run by itself
        paid = float(agent.run(tf.constant(iterations)).reward) / iterations
        terms = agent.reward_terms(iterations)
        assert list(terms) == ["reward_rating", "reward_novelty", "reward_diversity"]
        assert -1 <= terms["reward_rating"] <= 1
        assert 0 < terms["reward_novelty"] < 1
        assert 0 < terms["reward_diversity"] < 1
        rating, novelty, diversity = terms.values()
        assert paid == pytest.approx(0.5 * rating + 2 * novelty + 0.25 * diversity, abs=1e-5)
    assert made(name, tiny_interactions).reward_terms(1) == {}


def test_its_policy_is_a_recommender_that_has_learned_already(name, tiny_interactions):
    agent = made(name, tiny_interactions)
    run(agent, 1)
    policy = agent.policy(*random_vectors(tiny_interactions))
    assert isinstance(policy, Scorer)
    assert policy.uses_history
    users = np.arange(5, dtype=np.int32)
    scores = policy.score(users, tiny_interactions.liked_histories(3)[:5])
    assert scores.shape == (5, tiny_interactions.num_items)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
