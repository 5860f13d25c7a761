"""Both forms of histories, in NumPy and as tensors."""

import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from drrec.data import histories
from drrec.nn import histories as tensors

B, L = 3, 4
ITEMS = arrays.arrays(np.int32, (B, L), elements=st.integers(0, 2**31 - 1))
REWARDS = arrays.arrays(
    np.float32, (B, L), elements=st.floats(-2, 2, width=32, allow_subnormal=False)
)


@given(items=ITEMS, rewards=REWARDS)
def test_what_is_put_in_comes_out_bit_for_bit(items, rewards):
    packed = histories.entries(items, rewards)
    assert packed.dtype == np.int64
    np.testing.assert_array_equal(histories.items_of(packed), items)
    np.testing.assert_array_equal(
        histories.rewards_of(packed).view(np.int32), rewards.view(np.int32)
    )
    np.testing.assert_array_equal(tensors.items_of(tf.constant(packed)), items)


@given(items=ITEMS, rewards=REWARDS)
def test_the_liked_are_kept_in_order_at_the_end(items, rewards):
    liked = histories.liked_of(histories.entries(items, rewards))
    assert liked.dtype == np.int32
    for row in range(B):
        kept = [i for i, r in zip(items[row], rewards[row], strict=True) if r > 0 and i]
        assert liked[row].tolist() == [0] * (L - len(kept)) + kept
    np.testing.assert_array_equal(histories.liked_of(items), items)


@given(items=ITEMS, rewards=REWARDS, with_rewards=st.booleans())
def test_tensors_are_pushed_as_arrays_are(items, rewards, with_rewards):
    before = histories.entries(items, rewards) if with_rewards else items
    item, reward = items[:, 0], rewards[:, 1]
    after = histories.pushed(before, item.astype(np.int64), reward)
    assert after.dtype == before.dtype
    moved = tensors.pushed(*map(tf.constant, (before, item, reward)))
    np.testing.assert_array_equal(moved, after)
    for row in range(B):
        if with_rewards:
            assert histories.items_of(after)[row].tolist() == [*items[row, 1:], item[row]]
            assert histories.rewards_of(after)[row].tolist() == [*rewards[row, 1:], reward[row]]
        else:
            expected = [*items[row, 1:], item[row]] if reward[row] > 0 else items[row].tolist()
            assert after[row].tolist() == expected


def test_compiled_it_is_the_same_and_the_reward_is_the_last_column():
    table = tf.constant(np.random.default_rng(0).normal(size=(6, 2)), tf.float32)
    items = np.array([[0, 3, 5]], np.int32)
    packed = tf.constant(histories.entries(items, np.array([[0, -1.5, 0.25]], np.float32)))

    @tf.function(jit_compile=True)
    def read(history):
        history = tensors.pushed(history, tf.constant([2]), tf.constant([-0.75]))
        return tensors.described(table, history)

    rows = read(packed).numpy()
    np.testing.assert_array_equal(rows[0, :, :2], tf.gather(table, [3, 5, 2]))
    assert rows[0, :, 2].tolist() == [-1.5, 0.25, -0.75]
    np.testing.assert_array_equal(tensors.described(table, items), tf.gather(table, items))
