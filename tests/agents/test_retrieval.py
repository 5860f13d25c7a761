"""The nearest clusters hold the best item, and what may not be shown is not found."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.brief import eagerly

from drrec.agents import retrieval
from drrec.agents.config import DDPGConfig
from drrec.agents.ddpg import DDPG
from drrec.agents.items import ItemTable, LearnedItemTable
from drrec.agents.retrieval import ClusterIndex
from drrec.envs.config import LoggedConfig
from drrec.envs.logged import LoggedEnvironment
from drrec.envs.sessions import Sessions

DIM = 5


def made(num_items, probes, leaf, seed=0, is_showable=None):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(num_items, DIM)) * rng.lognormal(0, 0.5, (num_items, 1))
    vectors = vectors.astype(np.float32)
    vectors[0] = 0
    if is_showable is None:
        is_showable = np.arange(num_items) > 0
    return vectors, ClusterIndex(vectors, is_showable, probes, seed, leaf)


def exactly(vectors, action, barred, is_showable):
    scores = action @ vectors.T
    scores[:, ~is_showable] = -np.inf
    np.put_along_axis(scores, barred, -np.inf, axis=1)
    return scores.argmax(axis=1)


@given(st.integers(0, 2**31), st.integers(30, 200), st.integers(2, 40), st.sampled_from([3, 48]))
@settings(max_examples=25, deadline=None)
def test_among_all_clusters_the_best_that_is_not_barred_is_found(seed, num_items, leaf, size):
    rng = np.random.default_rng(seed)
    is_showable = rng.random(num_items) < 0.8
    is_showable[[0, 1, 2, 3]] = [False, True, True, True]
    vectors, index = made(num_items, 1000, leaf, seed, is_showable)
    action = rng.normal(size=(size, DIM)).astype(np.float32)
    barred = rng.integers(0, num_items, (size, 12)).astype(np.int32)
    barred[:, 4:][barred[:, 4:] < 4] = 0  # so that something is left
    barred[:, :4][barred[:, :4] == 1] = 0
    found = index.best(tf.constant(action), tf.constant(vectors), tf.constant(barred)).numpy()
    np.testing.assert_array_equal(found, exactly(vectors, action, barred, is_showable))


def test_each_item_that_may_be_shown_is_in_one_cluster_and_all_hold_as_many():
    is_showable = np.arange(1001) % 3 > 0
    _, index = made(1001, 4, 20, is_showable=is_showable)
    members = index._members.numpy()
    assert sorted(members[members > 0].tolist()) == np.flatnonzero(is_showable).tolist()
    sizes = (members > 0).sum(axis=1)
    assert sizes.max() - sizes.min() <= 1
    assert sizes.max() <= 20
    assert index.num_clusters == 64


def test_a_few_clusters_hold_nearly_all_best_items_where_items_are_alike():
    rng = np.random.default_rng(1)
    taste = rng.normal(size=(40, DIM))
    vectors = taste[rng.integers(40, size=4001)] + rng.normal(0, 0.2, (4001, DIM))
    vectors = vectors.astype(np.float32)
    is_showable = np.arange(4001) > 0
    index = ClusterIndex(vectors, is_showable, 2, 0, leaf=64)
    action = (taste[rng.integers(40, size=320)] + rng.normal(0, 0.2, (320, DIM))).astype(np.float32)
    nothing = np.zeros((320, 1), np.int32)
    found = index.best(tf.constant(action), tf.constant(vectors), tf.constant(nothing)).numpy()
    recall = (found == exactly(vectors, action, nothing, is_showable)).mean()
    assert index.num_clusters == 64
    assert recall > 0.9  # 2 of 64; by chance .03


def test_vectors_that_move_are_read_as_they_are_now():
    vectors, index = made(120, 1000, 10)
    table = LearnedItemTable(ItemTable(vectors), 2, seed=0)
    moved = np.array(table.table()) * np.random.default_rng(0).normal(size=(120, 1))
    action = np.random.default_rng(2).normal(size=(6, DIM + 2)).astype(np.float32)
    nothing = tf.zeros([6, 1], tf.int32)
    index.follow(table)
    found = index.best(tf.constant(action), tf.constant(moved, tf.float32), nothing).numpy()
    expected = exactly(moved, action, nothing.numpy(), np.arange(120) > 0)
    np.testing.assert_array_equal(found, expected)


def agent(log, **changed):
    config = LoggedConfig(unlogged="constant", unlogged_reward=-0.5, state_size=3, episode_length=4)
    sessions = Sessions.over(*log.past_and_future(0.4), config.state_size)
    rng = np.random.default_rng(0)
    user, item = (rng.normal(size=(n, DIM)) for n in (log.num_users, log.num_items))
    item[0] = 0
    learns = DDPGConfig(
        num_envs=4, batch_size=16, memory_size=64, dim_actor=8, dim_critic=8, discount=0.5
    )
    learns = dataclasses.replace(learns, **changed)
    return DDPG.over(learns, LoggedEnvironment(config, log, sessions), user, item, seed=0)


def test_with_all_clusters_an_agent_learns_what_it_learns_from_the_whole_catalogue(
    tiny_interactions, monkeypatch
):
    monkeypatch.setattr(retrieval, "LEAF", 8)
    exact = agent(tiny_interactions)
    clusters = agent(tiny_interactions, retrieval="clusters", probes=100)
    few = agent(tiny_interactions, retrieval="clusters", probes=1)
    assert exact._index is None
    assert clusters._index.num_clusters > 4
    with eagerly():
        for each in (exact, clusters, few):
            each.run(tf.constant(5))
    weights = [each.networks.actor.get_weights() for each in (exact, clusters, few)]
    for one, other in zip(*weights[:2], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(weights[0], weights[2], strict=True))


def test_the_size_of_the_catalogue_chooses(tiny_interactions, monkeypatch):
    assert agent(tiny_interactions)._index is None
    monkeypatch.setattr(retrieval, "RETRIEVED_FROM", 50)
    assert agent(tiny_interactions)._index is not None
    assert agent(tiny_interactions, retrieval="exact")._index is None


def test_what_is_offered_is_looked_up_alike_in_a_large_catalogue(tiny_interactions, monkeypatch):
    config = LoggedConfig(state_size=3, episode_length=4)
    sessions = Sessions.over(*tiny_interactions.past_and_future(0.4), config.state_size)
    environment = LoggedEnvironment(config, tiny_interactions, sessions)
    rng = np.random.default_rng(0)
    action = rng.normal(size=(9, DIM)).astype(np.float32)
    items = rng.normal(size=(tiny_interactions.num_items, DIM)).astype(np.float32)
    user, shown = sessions.playing[:9], sessions.candidates[sessions.playing[:9], :4]
    asked = [tf.constant(each) for each in (action, items, user, shown)]
    whole = environment.choose_by(*asked).numpy()
    monkeypatch.setattr("drrec.envs.base.LOOKED_UP_FROM", 1)
    np.testing.assert_array_equal(environment.choose_by(*asked).numpy(), whole)


@pytest.mark.parametrize("episode_length", [4, 60])
def test_sessions_end_when_nothing_is_left(tiny_interactions, episode_length):
    """Known without a look at the catalogue, where a past and a session cannot use it up."""
    config = LoggedConfig(unlogged="constant", state_size=3, episode_length=episode_length)
    sessions = Sessions.over(*tiny_interactions.past_and_future(0.4), config.state_size)
    environment = LoggedEnvironment(config, tiny_interactions, sessions)
    user = tf.constant(sessions.playing[:5])
    shown = tf.tile(tf.range(1, episode_length + 1)[None], [5, 1])
    expected = ~environment.available(user, shown).numpy().any(axis=1)
    np.testing.assert_array_equal(environment.is_over(user, shown).numpy(), expected)


def test_a_cluster_with_an_empty_place_is_described_by_its_items_alone():
    vectors = (np.random.default_rng(0).normal(size=(12, 3)) + 5).astype(np.float32)
    is_showable = np.arange(12) > 0  # 11 items in two clusters of at most six
    index = ClusterIndex(vectors, is_showable, probes=1, seed=0, leaf=6)
    members = index._members.numpy()
    assert (members == 0).sum() == 1
    _, mean, spread = index._described(tf.constant(vectors))
    for row, items in enumerate(members):
        own = vectors[items[items > 0]]
        np.testing.assert_allclose(mean.numpy()[row], own.mean(axis=0), rtol=1e-5)
        off = ((own - own.mean(axis=0)) ** 2).sum(axis=1).mean()
        np.testing.assert_allclose(spread.numpy()[row], np.sqrt(off), rtol=1e-4)
