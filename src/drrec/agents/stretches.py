"""The log as an agent learns from it: stretches of users' ratings, in the order of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

from drrec.types import PADDING

MOST_REMEMBERED = 512
"""Rows before a stretch whose items count as had."""

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions


class Stretch(NamedTuple):
    """N stretches of W rows of the log, each of one user, padded on the left where it begins."""

    user: tf.Tensor  # [N] int32
    row: tf.Tensor  # [N, W] int32 of the log; of nothing where padded
    before: tf.Tensor  # [N, W] int32, the item rated just before, 0 = none
    item: tf.Tensor  # [N, W] int32, 0 = padding
    reward: tf.Tensor  # [N, W] float32
    is_new: tf.Tensor  # [N, W] bool: a rating that the vectors have not seen; False for padding
    since: tf.Tensor  # [N, I] int32 the position after which the user has the item; W for never


class Stretches:
    """Draws stretches of one log, and says what was liked before any of its rows."""

    def __init__(self, log: Interactions, is_new: np.ndarray, length: int, state_size: int) -> None:
        """Put the log on the device.

        Args:
            log: R ratings by user and time.
            is_new: [R] bool, which of them the vectors have not seen.
            length: W.
            state_size: L, the length of a history.
        """
        self.length, self.state_size = length, state_size
        self.num_items = log.num_items
        self._user, self._item = tf.constant(log.user), tf.constant(log.item)
        self._past = min(int(log.counts().max()), MOST_REMEMBERED)
        self._reward = tf.constant((log.rating - 3) / 2, tf.float32)
        self._is_new = tf.constant(is_new)
        rows = np.flatnonzero(is_new) if is_new.any() else np.arange(len(log))
        self._new_rows = tf.constant(rows.astype(np.int32))
        self._first = tf.constant(log.offsets[:-1].astype(np.int32))  # [U]
        liked = np.flatnonzero(log.liked)
        before = np.searchsorted(liked, np.arange(len(log))).astype(np.int32)
        # One more at the end, so that there is one where nobody likes anything.
        self._liked = tf.constant(np.append(log.item[liked], np.int32(PADDING)))
        self._likes_before = tf.constant(before)  # [R], all users together

    def draw(self, count: int, seed: tf.Tensor) -> Stretch:
        """`count` stretches, whose last rows are drawn, half from the log, half from what is new.

        Else a user's early years would be most of what is learned, and what there is to reinforce
        would come by chance.
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
        return Stretch(
            user=user,
            row=row,
            before=tf.where(is_row & (row > first), before, PADDING),
            item=item,
            reward=tf.where(is_row, tf.gather(self._reward, row), 0.0),
            is_new=is_row & tf.gather(self._is_new, row),
            since=self._since(past, item),
        )

    def _since(self, past: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        """[N, I] where items `past [N, M]` and `item [N, W]` were rated first: −1 is before."""
        every = tf.concat([past, item], axis=1)  # [N, M + W]
        column = tf.maximum(tf.range(-self._past, self.length), -1)
        number = tf.broadcast_to(tf.range(tf.shape(every)[0])[:, None], tf.shape(every))
        since = tf.fill([tf.shape(every)[0], self.num_items], self.length)
        where = tf.stack([number, every], axis=2)
        return tf.tensor_scatter_nd_min(since, where, tf.broadcast_to(column, tf.shape(every)))

    def liked_before(self, row: tf.Tensor) -> tf.Tensor:
        """[B, L] what the user of each `row [B]` had liked before it, 0 = padding on the left."""
        first = tf.gather(self._first, tf.gather(self._user, row))
        start = tf.gather(self._likes_before, first)[:, None]
        place = tf.gather(self._likes_before, row)[:, None] - tf.range(self.state_size, 0, -1)
        return tf.where(place >= start, tf.gather(self._liked, tf.maximum(place, 0)), PADDING)

    def latest(self) -> np.ndarray:
        """[U, W] int32 each user's latest items, most recent last, 0 = padding."""
        first = self._first.numpy()[:, None]
        end = np.append(first[1:, 0], len(self._item))[:, None]
        row = end - np.arange(self.length, 0, -1)
        return np.where(row >= first, self._item.numpy()[np.maximum(row, 0)], PADDING)
