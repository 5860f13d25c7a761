"""Prediction targets of the sequence encoder at each position, and their losses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import tensorflow as tf

from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.agents.windows import Windows

_NEVER = -1e30
"""Logit of an impossible item; not −inf, as a row may have no other."""


def next_of_all(scores: tf.Tensor, windows: Windows) -> tf.Tensor:
    """Cross-entropy of the next item over all items new to the user.

    Positions where an item is repeated have no target.

    Args:
        scores: [N, W, I], of position w after what came before it.
        windows: N of them.

    Returns:
        [N, W], 0 where there is no target.
    """
    _check(scores, windows)
    column = tf.range(windows.item.shape[1])[:, None]  # [W, 1]
    is_left = windows.since[:, None] >= column  # [N, W, I]
    is_left &= tf.range(tf.shape(scores)[2]) != PADDING
    log_prob = tf.nn.log_softmax(tf.where(is_left, scores, _NEVER))
    own, is_asked = (tf.gather(part, windows.item, batch_dims=2) for part in (log_prob, is_left))
    return tf.where(is_asked, -own, 0.0)


def next_of_sample(
    own: tf.Tensor, other: tf.Tensor, negatives: tf.Tensor, num_items: int, windows: Windows
) -> tf.Tensor:
    """`next_of_all` estimated from negatives drawn evenly, with the log-Q correction.

    Args:
        own: [N, W] scores of the windows' items, of position w after what came before it.
        other: [N, W, M] scores of the negatives.
        negatives: [M] int32 items.
        num_items: items that negatives are drawn from.
        windows: N of them, drawn with these negatives.

    Returns:
        [N, W], 0 where there is no target.
    """
    width = windows.item.shape[1]
    column = tf.range(width)
    is_asked = (windows.item != PADDING) & (windows.since[:, :width] >= column)
    is_left = windows.since[:, None, width:] >= column[:, None]  # [N, W, M]
    is_left &= negatives != windows.item[:, :, None]
    expected = math.log(negatives.shape[0] / num_items)
    other = tf.where(is_left, other - expected, _NEVER)
    total = tf.reduce_logsumexp(tf.concat([own[:, :, None], other], axis=2), axis=2)
    return tf.where(is_asked, total - own, 0.0)


def liked_among_rated(scores: tf.Tensor, windows: Windows) -> tf.Tensor:
    """Cross-entropy of what will be liked among what will be rated (Cao et al. 2007, ListNet).

    That is what the windows has from a position on. The liked ones share the target's mass evenly;
    where there are none, there is no target.

    Args:
        scores: [N, W, I], of position w after what came before it.
        windows: N of them.

    Returns:
        [N, W], 0 where there is no target.
    """
    _check(scores, windows)
    return liked_among(tf.gather(scores, _later(windows.item), batch_dims=2), windows)


def liked_among(theirs: tf.Tensor, windows: Windows) -> tf.Tensor:
    """The same of `theirs [N, W, W]`, the scores of each window's items alone."""
    width = windows.item.shape[1]
    is_later = tf.range(width) >= tf.range(width)[:, None]  # [W, W]
    is_candidate = is_later & (_later(windows.item) != PADDING)
    log_prob = tf.nn.log_softmax(tf.where(is_candidate, theirs, _NEVER))
    liked = tf.cast(is_candidate & (windows.reward > 0)[:, None], tf.float32)
    share = liked / tf.maximum(tf.reduce_sum(liked, axis=2, keepdims=True), 1.0)
    is_item = tf.cast(windows.item != PADDING, tf.float32)
    return -tf.reduce_sum(share * log_prob, axis=2) * is_item


def _later(item: tf.Tensor) -> tf.Tensor:
    """[N, W] -> [N, W, W], once for each position."""
    width = item.shape[1]
    return tf.broadcast_to(item[:, None], [tf.shape(item)[0], width, width])


def _check(scores: tf.Tensor, windows: Windows) -> None:
    expected = (*windows.item.shape, windows.since.shape[1])
    if tuple(scores.shape) != expected:
        raise ValueError(
            f"Expected scores [N, W, I] of shape {expected}. Received shape {scores.shape}."
        )
