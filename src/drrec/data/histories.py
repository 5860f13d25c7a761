"""Histories: what users did last, most recent last, left-padded with 0.

There are two forms, told apart by their type:

- int32 [B, L]: ids of liked items, as in DRR;
- int64 [B, L]: every item shown, its id in the lower 32 bits and its float32 reward in the upper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drrec.data.interactions import LIKED_ABOVE
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions

_ITEM_BITS = 32


def opening(log: Interactions, length: int, *, with_rewards: bool = False) -> np.ndarray:
    """[U, L] each user's last L liked items, or their last L items with rewards (rating − 3) / 2.

    Examples:
        >>> import drrec, numpy as np
        >>> from drrec.data.histories import items_of, opening, rewards_of
        >>> rating = np.array([5, 1, 4, 2])
        >>> log = drrec.Interactions.from_raw(list("aaab"), list("xyzz"), rating, np.arange(4))
        >>> opening(log, 2).tolist()
        [[1, 3], [0, 0]]
        >>> histories = opening(log, 2, with_rewards=True)
        >>> items_of(histories).tolist(), rewards_of(histories).tolist()
        ([[2, 3], [0, 3]], [[-1.0, 0.5], [0.0, -0.5]])
    """
    if not with_rewards:
        return log.liked_histories(length)
    return log.histories(length, entries(log.item, (log.rating - LIKED_ABOVE) / 2))


def entries(items: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    """Items and what each paid, of one shape -> int64 entries of histories."""
    bits = rewards.astype(np.float32).view(np.int32).astype(np.int64)
    return (bits << _ITEM_BITS) | items


def items_of(histories: np.ndarray) -> np.ndarray:
    """[B, L] int32 item ids, of either form."""
    if histories.dtype != np.int64:
        return histories
    return (histories & (2**_ITEM_BITS - 1)).astype(np.int32)


def rewards_of(histories: np.ndarray) -> np.ndarray:
    """[B, L] float32 rewards of int64 histories, 0 for padding."""
    return (histories >> _ITEM_BITS).astype(np.int32).view(np.float32)


def liked_of(histories: np.ndarray) -> np.ndarray:
    """[B, L] int32 the liked items alone, of either form, most recent last."""
    if histories.dtype != np.int64:
        return histories
    liked = np.where(rewards_of(histories) > 0, items_of(histories), PADDING)
    order = np.argsort(liked != PADDING, axis=1, kind="stable")
    return np.take_along_axis(liked, order, axis=1)


def without(history: np.ndarray, item: int) -> np.ndarray:
    """[L] a history of either form as if `item` had not been shown.

    Examples:
        >>> import numpy as np
        >>> from drrec.data.histories import without
        >>> without(np.array([0, 7, 8, 7, 9], np.int32), 7).tolist()
        [0, 0, 0, 8, 9]
    """
    rest = history[items_of(history) != item]
    return np.concatenate([np.full(len(history) - len(rest), PADDING, history.dtype), rest])


def pushed(histories: np.ndarray, items: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    """[B, L] the histories after `items [B]` paid `rewards [B]`: of the int32 form if liked.

    Examples:
        >>> import numpy as np
        >>> from drrec.data.histories import pushed
        >>> pushed(np.array([[0, 7], [0, 7]], np.int32), np.array([8, 9]), np.array([1, -1]))
        array([[7, 8],
               [0, 7]], dtype=int32)
    """
    if histories.dtype == np.int64:
        latest = entries(items, rewards)
        return np.concatenate([histories[:, 1:], latest[:, None]], axis=1)
    moved = np.concatenate([histories[:, 1:], items[:, None].astype(np.int32)], axis=1)
    return np.where((rewards > 0)[:, None], moved, histories)
