"""Prioritised replay: what it keeps, what it draws and how often, and what that draw weighs."""

import collections

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from drrec.agents.replay import Replay
from drrec.types import Transitions

L, T, D = 2, 3, 4
BETA = tf.constant(1.0)


def replay(capacity):
    return Replay.empty(capacity, L, T, D)


def numbered(first, count):
    """Transitions that say which they are in every column."""
    number = np.arange(first, first + count)
    return Transitions(
        user=tf.constant(number, tf.int32),
        history=tf.constant(number[:, None] + np.arange(L), tf.int32),
        action=tf.constant(number[:, None] / 1024 - np.arange(D) / 4, tf.float32),
        item=tf.constant(number + 1, tf.int32),
        reward=tf.constant(number / 2, tf.float32),
        discount=tf.constant(number / 4, tf.float32),
        next_history=tf.constant(number[:, None] + 2 * np.arange(L), tf.int32),
        next_shown=tf.constant(number[:, None] + 3 * np.arange(T), tf.int32),
    )


def filled(capacity, priorities):
    """A replay with one transition for each priority."""
    kept = replay(capacity)
    kept.write(numbered(0, len(priorities)))
    kept.update(tf.range(len(priorities)), tf.constant(priorities, tf.float32))
    return kept


def draws(kept, batch_size, times):
    """[times, batch_size] indices."""

    @tf.function
    def all_of_them():
        return tf.map_fn(
            lambda number: kept.sample(batch_size, BETA, tf.stack([7, number])).index,
            tf.range(times),
        )

    return all_of_them().numpy()


def test_what_was_written_is_what_is_sampled():
    kept = replay(10)
    kept.write(numbered(0, 4))
    sample = kept.sample(16, BETA, tf.constant([1, 2]))
    assert set(sample.index.numpy().tolist()) == {0, 1, 2, 3}
    written = numbered(0, 4)
    for name in Transitions._fields:
        expected = tf.gather(getattr(written, name), sample.index)
        np.testing.assert_array_equal(getattr(sample.transitions, name), expected)
        assert getattr(sample.transitions, name).dtype == expected.dtype


def test_the_ring_overwrites_the_oldest():
    kept = replay(10)
    for first in (0, 4, 8, 12):
        kept.write(numbered(first, 4))
    assert int(kept.size()) == 10
    assert kept.columns.user.numpy().tolist() == [10, 11, 12, 13, 14, 15, 6, 7, 8, 9]
    np.testing.assert_array_equal(kept.columns.history.numpy()[:, 0], kept.columns.user.numpy())


def test_the_size_grows_until_the_ring_is_full():
    kept = replay(6)
    sizes = []
    for first in (0, 4, 8):
        kept.write(numbered(first, 4))
        sizes.append(int(kept.size()))
    assert sizes == [4, 6, 6]


@pytest.mark.parametrize("capacity", [1, 2, 7, 8, 26, 27, 28, 100, 1000, 1001])
def test_a_full_ring_of_any_capacity_draws_every_place(capacity):
    kept = replay(capacity)
    for first in range(0, capacity, 100):
        kept.write(numbered(first, min(100, capacity - first)))
    # Equal priorities and as many strata as places: each stratum is one place.
    drawn = kept.sample(capacity, BETA, tf.constant([0, 0])).index.numpy()
    near = np.abs(drawn - np.arange(capacity))
    assert near.max() <= 1  # rounding may move a draw over the edge of its stratum
    assert (near == 0).mean() > 0.97


@pytest.mark.parametrize("count", [1, 5, 26])
def test_places_that_nothing_was_written_to_are_never_drawn(count):
    kept = replay(27)
    kept.write(numbered(0, count))
    drawn = draws(kept, 64, 20)
    assert set(drawn.ravel().tolist()) == set(range(count))


def test_frequencies_follow_the_priorities():
    priorities = np.random.default_rng(3).gamma(0.5, size=50) + 0.01
    drawn = draws(filled(60, priorities), 1, 8000).ravel()
    observed = np.bincount(drawn, minlength=50)[:50]
    expected = 8000 * priorities / priorities.sum()
    often = expected >= 5
    observed = [*observed[often], observed[~often].sum()]
    expected = [*expected[often], expected[~often].sum()]
    assert scipy.stats.chisquare(observed, expected).pvalue > 1e-3


def test_each_draw_comes_from_its_own_stratum():
    # Four strata of a quarter each: [0], [0], [1], [2 … 5].
    drawn = draws(filled(8, [4.0, 2.0, 0.5, 0.5, 0.5, 0.5]), 4, 200)
    assert (drawn[:, :2] == 0).all()
    assert (drawn[:, 2] == 1).all()
    assert collections.Counter(drawn[:, 3].tolist()).keys() == {2, 3, 4, 5}


@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_importance_weights(beta):
    priorities = np.array([1.0, 2.0, 3.0, 4.0, 10.0])
    sample = filled(8, priorities).sample(64, tf.constant(beta), tf.constant([5, 6]))
    drawn = sample.index.numpy()
    # Schaul et al. 2016, section 3.4: w_i = (1 / (N · P(i)))^β / max w, N what lies in the ring.
    weights = (1 / (5 * priorities[drawn] / priorities.sum())) ** beta
    np.testing.assert_allclose(sample.weight, weights / weights.max(), rtol=1e-5)


def test_an_update_moves_frequencies_and_leaves_others():
    kept = filled(8, [1.0, 1.0, 1.0, 1.0])
    kept.update(tf.constant([1, 3]), tf.constant([5.0, 3.0]))
    counts = np.bincount(draws(kept, 10, 300).ravel(), minlength=4)
    np.testing.assert_allclose(counts / counts.sum(), [0.1, 0.5, 0.1, 0.3], atol=0.02)


def test_new_transitions_get_the_highest_priority_seen():
    kept = filled(8, [0.5, 6.0])
    kept.update(tf.constant([1]), tf.constant([0.25]))
    kept.write(numbered(2, 2))
    counts = np.bincount(draws(kept, 10, 200).ravel(), minlength=4)
    np.testing.assert_allclose(
        counts / counts.sum(), np.array([0.5, 0.25, 6, 6]) / 12.75, atol=0.02
    )


def test_overwriting_takes_the_place_of_the_old_priority():
    kept = filled(4, [100.0, 1.0, 1.0, 1.0])
    kept.top_priority.assign(1.0)
    kept.write(numbered(4, 1))
    counts = np.bincount(draws(kept, 8, 100).ravel(), minlength=4)
    np.testing.assert_allclose(counts / counts.sum(), 0.25, atol=0.02)


def test_a_draw_is_a_function_of_its_seed():
    kept = filled(64, np.random.default_rng(0).gamma(1.0, size=64))
    one, again, other = (
        kept.sample(16, BETA, tf.constant([3, number])).index.numpy() for number in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_priorities_of_very_different_size_are_all_safe():
    priorities = np.geomspace(1e-6, 1e6, 27)
    sample = filled(27, priorities).sample(512, BETA, tf.constant([0, 1]))
    assert np.isfinite(sample.weight).all()
    assert (sample.weight.numpy() > 0).all()
    assert (sample.index.numpy() >= 20).mean() > 0.99


def test_a_million_transitions_stay_small():
    kept = Replay.empty(1000, state_size=10, episode_length=10, dim=100)
    assert kept.num_bytes / 1000 < 500  # bytes each: 500 MB for a million
