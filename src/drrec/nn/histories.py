"""The two forms of histories of `data.histories`, as tensors."""

from __future__ import annotations

import tensorflow as tf

_ITEM_BITS = tf.constant(32, tf.int64)


def items_of(history: tf.Tensor) -> tf.Tensor:
    """[B, L] of either form -> [B, L] int32 item ids, 0 = padding."""
    if history.dtype == tf.int32:
        return history
    return tf.cast(tf.bitwise.bitwise_and(history, tf.constant(2**32 - 1, tf.int64)), tf.int32)


def described(items: tf.Tensor, history: tf.Tensor) -> tf.Tensor:
    """What a state module is given of a history.

    Args:
        items: [I, D] item vectors, row 0 zero.
        history: [B, L] of either form.

    Returns:
        [B, L, D], or of histories with rewards [B, L, D + 1], the reward last; 0 for padding.
    """
    vectors = tf.gather(items, items_of(history))
    if history.dtype == tf.int32:
        return vectors
    bits = tf.cast(tf.bitwise.right_shift(history, _ITEM_BITS), tf.int32)
    return tf.concat([vectors, tf.bitcast(bits, tf.float32)[:, :, None]], axis=2)


def pushed(history: tf.Tensor, item: tf.Tensor, reward: tf.Tensor) -> tf.Tensor:
    """[N, L] the histories after `item [N]` paid `reward [N]`: of the int32 form if liked."""
    if history.dtype == tf.int32:
        moved = tf.concat([history[:, 1:], item[:, None]], axis=1)
        return tf.where((reward > 0)[:, None], moved, history)
    bits = tf.cast(tf.bitcast(reward, tf.int32), tf.int64)
    entry = tf.bitwise.left_shift(bits, _ITEM_BITS) + tf.cast(item, tf.int64)
    return tf.concat([history[:, 1:], entry[:, None]], axis=1)
