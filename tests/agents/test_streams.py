"""Random streams: whatever is drawn for another purpose, seed or moment is drawn from another."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from tests.agents.tiny import environment_over, random_vectors, small

from drrec.agents.ppo import PPO
from drrec.agents.streams import Stream, Streams
from drrec.registry import AGENTS


def as_xla_reads(seed):
    """XLA keeps the low 32 bits of each half."""
    return tuple(int(half) % 2**32 for half in seed.numpy())


@pytest.mark.parametrize("name", AGENTS)
def test_no_two_draws_of_an_agent_share_a_seed(name):
    streams = AGENTS[name].streams
    drawn = {
        as_xla_reads(Streams(seed, streams).seed(stream, tf.constant(iteration, tf.int64), epoch))
        for seed in range(4)
        for stream in streams
        for iteration in range(6)
        for epoch in range(5)
    }
    assert len(drawn) == 4 * len(streams) * 6 * 5


def test_seeds_a_million_apart_share_nothing_in_a_thousand_draws():
    zero = Streams(0, {Stream.ROWS})
    firsts = sorted(
        as_xla_reads(zero.seed(Stream.ROWS, tf.constant(0, tf.int64), counter))[0]
        for counter in range(1000)
    )
    assert min(np.diff([*firsts, firsts[0] + 2**32])) > 1_000_000


def test_the_first_draw_has_the_seed_and_the_place_in_the_iteration():
    streams = Streams(5, {Stream.USERS, Stream.WINDOWS})
    for stream, number in ((Stream.USERS, 0), (Stream.WINDOWS, 5)):
        assert streams.seed(stream, tf.constant(3, tf.int64)).numpy().tolist() == [5, 24 + number]


def test_two_streams_of_one_number_are_refused():
    for one, other in itertools.combinations(Stream, 2):
        if one.number != other.number:
            Streams(0, {one, other})
            continue
        with pytest.raises(ValueError, match=f"{one.name} and {other.name}|{other.name} and"):
            Streams(0, {one, other})
    assert all(0 <= stream.number < 8 for stream in Stream)


def test_a_stream_that_is_not_declared_is_refused():
    with pytest.raises(ValueError, match=r"Received: ROWS. Add it to the `streams`"):
        Streams(0, {Stream.USERS}).seed(Stream.ROWS, tf.constant(0, tf.int64))


def orders(log, seed):
    """Order of 16 rows in each of two epochs, compiled as in training."""
    agent = PPO.over(small("ppo"), environment_over(log), *random_vectors(log), seed)
    rows = tf.function(agent._rows, jit_compile=True)
    updates = [rows(tf.constant(update), 16, 8).numpy() for update in range(4)]
    return np.concatenate(updates[:2]), np.concatenate(updates[2:])


def test_an_epoch_of_one_seed_is_not_that_of_another(tiny_interactions):
    found = [order for seed in (0, 1) for order in orders(tiny_interactions, seed)]
    for order in found:
        assert sorted(order) == list(range(16))
    assert len({tuple(order) for order in found}) == 4
