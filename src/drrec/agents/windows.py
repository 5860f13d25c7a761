"""Training sequences of the sequence encoder: windows of users' ratings, oldest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

from drrec.envs.rewards import rating_term
from drrec.types import PADDING

MOST_REMEMBERED = 512
"""Rows before a windows whose items count as had."""

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions


class Windows(NamedTuple):
    """N windows of W rows of the log, each of one user, padded on the left where it begins."""

    user: tf.Tensor  # [N] int32
    before: tf.Tensor  # [N, W] int32, the item rated just before, 0 = none
    item: tf.Tensor  # [N, W] int32, 0 = padding
    reward: tf.Tensor  # [N, W] float32
    is_new: tf.Tensor  # [N, W] bool: a rating that the vectors have not seen; False for padding
    since: tf.Tensor  # [N, C] int32 the position after which the user has the item; W for never.
    # C = I: of all items; else of each window's own W and of the negatives, in this order


class WindowSampler:
    """Draws windows of one log."""

    def __init__(self, log: Interactions, is_new: np.ndarray, length: int) -> None:
        """Put the log on the device.

        Args:
            log: R ratings by user and time.
            is_new: [R] bool, which of them the vectors have not seen.
            length: W.
        """
        self.length = length
        self.num_items = log.num_items
        self._user, self._item = tf.constant(log.user), tf.constant(log.item)
        self._past = min(int(log.counts().max()), MOST_REMEMBERED)
        self._reward = tf.constant(rating_term(log.rating), tf.float32)
        self._is_new = tf.constant(is_new)
        rows = np.flatnonzero(is_new) if is_new.any() else np.arange(len(log))
        self._new_rows = tf.constant(rows.astype(np.int32))
        self._first = tf.constant(log.offsets[:-1].astype(np.int32))  # [U]

    def draw(self, count: int, seed: tf.Tensor, negatives: tf.Tensor | None = None) -> Windows:
        """`count` windows, whose last rows are drawn, half from the log, half from what is new.

        With `negatives [M]`, `since` is of them and the windows' own items alone.

        Else a user's early years would be most of what is learned, and what factorisation is worth
        on what it has not seen would be seen too seldom.
        """
        drawn = tf.random.stateless_uniform([count], seed, 0, 2**31 - 1, tf.int32)
        is_even = tf.range(count) % 2 == 0
        new = tf.gather(self._new_rows, drawn % len(self._new_rows))
        last = tf.where(is_even, new, drawn % len(self._user))
        user = tf.gather(self._user, last)
        row = last[:, None] - tf.range(self.length)[::-1]  # [N, W]
        first = tf.gather(self._first, user)[:, None]
        is_row = row >= first
        past = row[:, :1] - tf.range(1, self._past + 1)  # [N, M]
        past = tf.where(past >= first, tf.gather(self._item, tf.maximum(past, 0)), PADDING)
        row = tf.maximum(row, first)
        before = tf.gather(self._item, tf.maximum(row - 1, 0))
        item = tf.where(is_row, tf.gather(self._item, row), PADDING)
        return Windows(
            user=user,
            before=tf.where(is_row & (row > first), before, PADDING),
            item=item,
            reward=tf.where(is_row, tf.gather(self._reward, row), 0.0),
            is_new=is_row & tf.gather(self._is_new, row),
            since=self._since(past, item)
            if negatives is None
            else self._since_of(past, item, negatives),
        )

    def _since(self, past: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        """[N, I] where items `past [N, M]` and `item [N, W]` were rated first: −1 is before."""
        every = tf.concat([past, item], axis=1)  # [N, M + W]
        column = tf.maximum(tf.range(-self._past, self.length), -1)
        number = tf.broadcast_to(tf.range(tf.shape(every)[0])[:, None], tf.shape(every))
        since = tf.fill([tf.shape(every)[0], self.num_items], self.length)
        where = tf.stack([number, every], axis=2)
        return tf.tensor_scatter_nd_min(since, where, tf.broadcast_to(column, tf.shape(every)))

    def _since_of(self, past: tf.Tensor, item: tf.Tensor, negatives: tf.Tensor) -> tf.Tensor:
        """[N, W + M] the same of each window's own items, and of `negatives [M]`."""
        every = tf.concat([past, item], axis=1)  # [N, past + W]
        column = tf.maximum(tf.range(-self._past, self.length), -1)
        shape = [tf.shape(item)[0], tf.shape(negatives)[0]]
        asked = tf.concat([item, tf.broadcast_to(negatives, shape)], axis=1)
        since = tf.fill(tf.shape(asked), self.length)
        place = tf.constant(0)
        # One row of the past at a time: all at once would be as wide as both.
        while place < self._past + self.length:
            is_same = asked == every[:, place, None]
            since = tf.where(is_same, tf.minimum(since, column[place]), since)
            place += 1
        return since
