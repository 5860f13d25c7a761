"""Where each (user, item) of a log stands, looked up by tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions


class Pairs:
    """The rows of a log, found by user and item; of a pair that comes again, one of its rows."""

    def __init__(self, log: Interactions) -> None:
        """Put the ids of a log [R] on the device."""
        order = np.lexsort((log.item, log.user))
        self._order = order
        self._offsets = tf.constant(log.offsets.astype(np.int32))  # [U + 1]
        self._item = tf.constant(log.item[order])  # [R], ascending for each user
        self._steps = int(log.counts().max()).bit_length()

    def column(self, values: np.ndarray) -> tf.Tensor:
        """`values [R]`, one for each row of the log, in the order that `find` counts by."""
        return tf.constant(values[self._order])

    def find(self, user: tf.Tensor, item: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """[N] int32 places in a column, and [N] bool: whether `user [N]` has `item [N]` at all."""
        first, end = tf.gather(self._offsets, user), tf.gather(self._offsets, user + 1)
        # Whoever has no rows is looked for among others' and is not there: first = end.
        low = tf.minimum(first, len(self._order) - 1)
        high = tf.maximum(end - 1, low)
        # Binary search by hand: XLA turns tf.searchsorted into a comparison with every rating.
        for _ in range(self._steps):
            middle = (low + high) // 2
            smaller = tf.gather(self._item, middle) < item
            low = tf.where(smaller, tf.minimum(middle + 1, high), low)
            high = tf.where(smaller, high, middle)
        return low, (first < end) & (tf.gather(self._item, low) == item)
