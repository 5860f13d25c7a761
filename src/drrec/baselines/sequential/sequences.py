"""Sequences of items, the latest on the right, padded with 0 on the left."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions


class Windows(NamedTuple):
    """What came after what: `target[w, l]` came after `item[w, l]` and those left of it."""

    item: np.ndarray  # [W, L] int32, 0 where a sequence has not begun
    target: np.ndarray  # [W, L] int32, 0 = none


def windows(log: Interactions, length: int) -> Windows:
    """Cut each user's sequence into windows of `length` L, from its end; each row is a target once.

    Nothing, which is 0, comes before a sequence's first item.
    """
    back = log.position_from_end()
    number, column = back // length, length - 1 - back % length
    per_user = -(-log.counts() // length)
    start = (np.cumsum(per_user) - per_user)[log.user]
    row = start + number
    before = np.where(back == log.counts()[log.user] - 1, PADDING, np.roll(log.item, 1))
    shape = (int(per_user.sum()), length)
    made = Windows(np.zeros(shape, np.int32), np.zeros(shape, np.int32))
    made.item[row, column] = before
    made.target[row, column] = log.item
    return made


def followed_by(sequences: np.ndarray, histories: np.ndarray, is_new: np.ndarray) -> np.ndarray:
    """Put what is new of histories behind sequences.

    Args:
        sequences: [B, L].
        histories: [B, L'].
        is_new: [B, L'] bool, which items of the histories to take.

    Returns:
        [B, L] the latest items of both, padded on the left.
    """
    joined = np.concatenate([sequences, np.where(is_new, histories, PADDING)], axis=1)
    order = np.argsort(joined != PADDING, axis=1, kind="stable")
    return np.take_along_axis(joined, order, axis=1)[:, -sequences.shape[1] :]


class Seen(NamedTuple):
    """Which pairs of user and item a log has."""

    pairs: np.ndarray  # [R] int64, sorted
    num_items: int

    @classmethod
    def of(cls, log: Interactions) -> Seen:
        """Those of `log`."""
        pairs = log.user.astype(np.int64) * log.num_items + log.item
        return cls(np.unique(pairs), log.num_items)

    def has(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Whether each of `items [B, L]` is there with its user, `users [B]`; [B, L] bool."""
        if not len(self.pairs):
            return np.zeros(items.shape, bool)
        pairs = users.astype(np.int64)[:, None] * self.num_items + items
        place = np.minimum(np.searchsorted(self.pairs, pairs), len(self.pairs) - 1)
        return self.pairs[place] == pairs
