"""What every agent in the registry must hold; a newcomer is tested without being listed.

Nothing is compiled here, so that each agent is built in a moment: iterations run in Python.
"""

import dataclasses
import pathlib
from typing import Any, NamedTuple

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

pytestmark = [
    pytest.mark.parametrize("name", AGENTS, scope="module"),
    pytest.mark.usefixtures("adam_of_one_kernel"),
]

# In Python each update takes a tenth of a second: a rollout is short and is learned from twice.
CHEAP = {"horizon": 2, "epochs": 1, "minibatches": 2}

# Iterations after which all of it has learned: a critic that knows nothing teaches no actor.
SOON = {"ddpg": 2, "sac": 2, "a2c": 2, "ppo": 1, "supervised": 1}


def _cheap(name):
    known = {field.name for field in dataclasses.fields(agent_config(name))}
    return {key: value for key, value in CHEAP.items() if key in known}


@pytest.fixture(scope="module", autouse=True)
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


class Trained(NamedTuple):
    """An agent of seed 3 after three iterations, and what there was on the way."""

    agent: Any
    start: dict[str, np.ndarray]
    """Every value before the first iteration."""
    last: dict[str, np.ndarray]
    steps: list[int]
    """Before the first iteration, after it, and at the end."""
    folder: pathlib.Path
    """Where the checkpoint of the first iteration is."""


@pytest.fixture(scope="module")
def trained(name, tiny_interactions, tmp_path_factory):
    agent, folder = made(name, tiny_interactions, seed=3), tmp_path_factory.mktemp(name)
    start, steps = values_of(agent), [agent.steps]
    run(agent, 1)
    steps.append(agent.steps)
    save_checkpoint(folder, agent.learner, agent.steps)
    last = run(agent, 2)
    return Trained(agent, start, last, [*steps, agent.steps], folder)


@pytest.fixture(scope="module")
def again(name, tiny_interactions):
    """Another agent of seed 3, and every value at its start."""
    agent = made(name, tiny_interactions, seed=3)
    return agent, values_of(agent)


def test_same_seed_same_weights_and_another_seed_others(name, trained, again, tiny_interactions):
    """At the start; a checkpoint carries on as it does only if what is drawn later is the same."""
    assert_equal(again[1], trained.start)
    other = values_of(made(name, tiny_interactions, seed=4))
    differing = {path for path, value in trained.start.items() if (value != other[path]).any()}
    assert any("/networks/" in path for path in differing)
    assert "/sessions/user" in differing


def test_every_iteration_is_a_step_of_each_session(name, trained):
    each = trained.agent.steps_each
    assert trained.steps == [0, 4 * each, 12 * each]
    assert trained.agent.steps_an_iteration == 4 * each


def test_a_checkpoint_carries_on_as_if_nothing_had_been(trained, again):
    other, _ = again
    assert restore_latest(trained.folder, other.learner) == other.steps == 4 * other.steps_each
    assert_equal(run(other, 2), trained.last)


def test_every_state_learns_something_finite(name, tiny_interactions):
    """Each agent has every second state, the next agent the others, and each what reads rewards.

    So a state meets both kinds of agent, and either form and action in some of them: forms are the
    same in all.
    """
    for turn, state in enumerate(STATES):
        if state == "feedback" or (turn + list(AGENTS).index(name)) % 2 == 0:
            learns_something_finite(name, state, turn, tiny_interactions)


def learns_something_finite(name, state, turn, log):
    agents_turn = list(AGENTS).index(name)
    form = ("anchored", "plain")[(turn // 2 + agents_turn // 2) % 2]
    critic_action = ("proto", "item")[(turn // 2 + agents_turn) % 2]
    settings = {"form": form, "state": state, "clip_norm": 1.0}
    if state == "feedback":
        settings["dim_learned"] = 2
    if hasattr(agent_config(name), "critic_action"):
        settings["critic_action"] = critic_action
    agent = made(name, log, **settings)
    before = values_of(agent)
    after = run(agent, SOON.get(name, 3))
    assert all(np.isfinite(value).all() for value in after.values()), state
    layers = {
        part.name: getattr(agent.networks, part.name)
        for part in dataclasses.fields(agent.networks)
        if isinstance(getattr(agent.networks, part.name), keras.layers.Layer)
    }
    assert {"state", "actor"} < set(layers)
    for part, layer in layers.items():
        weights = [path for path in after if f"/networks/{part}/" in path]
        learns = any((after[path] != before[path]).any() for path in weights)
        assert learns == bool(layer.weights), (state, part)


def test_the_terms_of_its_reward_are_told_apart(name, trained, tiny_interactions):
    """Of unlogged items, too: by turns a constant and a model, sessions show the catalogue."""
    unlogged = ("constant", "model")[list(AGENTS).index(name) % 2]
    vectors = random_vectors(tiny_interactions)
    weights = RewardConfig(reward_rating=0.5, reward_novelty=2.0, reward_diversity=0.25)
    config = LoggedConfig(unlogged=unlogged, state_size=3, episode_length=4, rewards=weights)
    sessions = Sessions.over(*tiny_interactions.past_and_future(0.5), 3)
    rewards = Rewards.over(weights, tiny_interactions, vectors[1])
    predicted = (*vectors, 3.0) if unlogged == "model" else None
    environment = LoggedEnvironment(config, tiny_interactions, sessions, predicted, rewards=rewards)
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
    assert all(np.isfinite(value).all() for value in values_of(agent).values())
    assert trained.agent.reward_terms(1) == {}


def test_its_policy_is_a_recommender_that_has_learned_already(name, trained, tiny_interactions):
    policy = trained.agent.policy(*random_vectors(tiny_interactions))
    assert isinstance(policy, Scorer)
    assert policy.uses_history
    users = np.arange(5, dtype=np.int32)
    scores = policy.score(users, tiny_interactions.liked_histories(3)[:5])
    assert scores.shape == (5, tiny_interactions.num_items)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
