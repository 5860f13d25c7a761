"""A softmax estimated from some items says on average what the softmax over all says."""

import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf
from tests.agents.tiny import random_vectors, small

from drrec.agents import retrieval
from drrec.agents.ppo import PPO
from drrec.agents.sampling import ItemSampler
from drrec.envs.config import LoggedConfig
from drrec.envs.logged import LoggedEnvironment
from drrec.envs.sessions import Sessions


@pytest.fixture(autouse=True)
def _in_python(monkeypatch):
    monkeypatch.setattr(retrieval, "LEAF", 4)
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def agent(log, unlogged="constant", **settings):
    config = LoggedConfig(unlogged=unlogged, state_size=3, episode_length=4)
    sessions = Sessions.over(*log.past_and_future(0.4), config.state_size)
    environment = LoggedEnvironment(config, log, sessions)
    learns = small("ppo", inverse_temperature=2.0, **settings)
    return PPO.over(learns, environment, *random_vectors(log), 0)


def flat(steps):
    return type(steps)(*(tf.reshape(part, [-1, *part.shape[2:]]) for part in steps))


def test_from_all_items_it_is_the_softmax(tiny_interactions, monkeypatch):
    monkeypatch.setattr("drrec.agents.on_policy.NUM_NEAR", 1000)
    sampled = agent(tiny_interactions, softmax="sampled", num_drawn=7)
    steps = flat(sampled.played_round())
    assert steps.candidates.shape[1] > tiny_interactions.num_items
    value, chances = sampled._weighed(steps)
    sampled._sampler = None
    exact_value, exact = sampled._weighed(steps)
    np.testing.assert_allclose(value, exact_value, rtol=1e-6)
    np.testing.assert_allclose(chances.log_prob, exact.log_prob, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(chances.entropy, exact.entropy, rtol=1e-4)


def test_what_is_offered_is_all_taken(tiny_interactions):
    pair = [agent(tiny_interactions, "never", softmax=each) for each in ("exact", "sampled")]
    steps = flat(pair[0].played_round())
    user, shown = steps.user, steps.shown
    action = tf.zeros([len(user), 4])
    candidates = pair[1]._sampler.drawn(action, None, user, shown, None)
    exact = pair[0]._weighed(steps)[1]
    found = pair[1]._weighed(steps._replace(candidates=candidates))[1]
    np.testing.assert_allclose(found.log_prob, exact.log_prob, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.entropy, exact.entropy, rtol=1e-4)


def test_the_sum_over_a_sample_is_on_average_that_over_the_catalogue(tiny_interactions):
    made = agent(tiny_interactions, softmax="sampled", num_drawn=40)
    environment, sampler = made.environment, made._sampler
    assert isinstance(sampler, ItemSampler)
    user, shown = tf.constant([3, 9]), tf.constant([[0, 0, 0, 0], [5, 6, 0, 0]])
    items = made.networks.items.table()
    action = tf.constant(np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32))
    scores = tf.matmul(action, items, transpose_b=True)
    available = environment.available(user, shown).numpy()
    mass = np.where(available, np.exp(scores), 0)
    expected = mass.sum(axis=1)
    chance = mass / expected[:, None]
    entropy = -np.sum(chance * np.log(np.where(available, chance, 1)), axis=1)
    action, user, shown, scores, item = (
        tf.repeat(each, 100, axis=0) for each in (action, user, shown, scores, [1, 2])
    )
    sums, entropies = [], []
    for draw in range(3):
        candidates = sampler.drawn(action, items, user, shown, tf.constant([0, draw]))
        own = tf.gather(scores, candidates, batch_dims=1)
        sums.append(np.exp(sampler.logits(own, candidates)).sum(axis=1).reshape(2, 100).T)
        score = functools.partial(tf.gather, scores, batch_dims=1)
        found = sampler.chances(score, item, candidates).entropy
        entropies.append(found.numpy().reshape(2, 100).T)
    assert all((one != other).any() for one, other in itertools.combinations(sums, 2))
    sums, entropies = np.concatenate(sums), np.concatenate(entropies)  # [300, 2]
    error = np.std(sums, axis=0) / np.sqrt(300)
    assert (error > 0).all()
    assert (np.abs(np.mean(sums, axis=0) - expected) < 4 * error).all()
    np.testing.assert_allclose(np.mean(entropies, axis=0), entropy, atol=0.03)


@pytest.mark.parametrize("unlogged", ["never", "constant"])
def test_sessions_show_what_is_available_alone(tiny_interactions, unlogged):
    made = agent(tiny_interactions, unlogged, softmax="sampled", num_drawn=20)
    steps = flat(made.played_round())
    available = made.environment.available(steps.user, steps.shown).numpy()
    assert available[np.arange(len(available)), steps.item.numpy()].all()
    candidates = steps.candidates.numpy()
    row, column = np.nonzero(candidates)
    assert available[row, candidates[row, column]].all()


def test_the_size_of_the_catalogue_chooses(tiny_interactions, monkeypatch):
    assert agent(tiny_interactions)._sampler is None
    monkeypatch.setattr("drrec.agents.on_policy.SAMPLED_FROM", 50)
    assert agent(tiny_interactions)._sampler is not None
    assert agent(tiny_interactions, softmax="exact")._sampler is None


def test_an_agent_learns_from_a_sampled_softmax(tiny_interactions):
    made = agent(tiny_interactions, softmax="sampled", num_drawn=20)
    before = [np.array(weight) for weight in made.networks.actor.weights]
    found = made.run(tf.constant(2))
    assert np.isfinite([float(each) for each in found]).all()
    after = made.networks.actor.weights
    assert any(np.abs(a - b).max() > 0 for a, b in zip(before, after, strict=True))
