"""What a supervised agent is asked at a position of the log, and how far off its answer is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import tensorflow as tf

from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.agents.stretches import Stretch

_NEVER = -1e30
"""Logit of what cannot be: not −inf, for a row may have nothing else."""


class Question(NamedTuple):
    """B positions: what was rated there, and there and later within the stretch."""

    item: tf.Tensor  # [B] int32, 0 = padding
    rival: tf.Tensor  # [B, W] int32, 0 = padding
    is_liked: tf.Tensor  # [B, W] bool
    had: tf.Tensor  # [B, I] bool, what the user had rated before


class Answer(NamedTuple):
    """How far off scores are, and what they are drawn from and to, as mean item vectors."""

    loss: tf.Tensor  # [B] cross-entropy, 0 where nothing is to be learned
    told: tf.Tensor  # [B, D] of what the log tells to show
    shown: tf.Tensor  # [B, D] of what the scores would show


def question_at(stretch: Stretch, place: tf.Tensor) -> Question:
    """What is asked at `place [B, 2]`: which stretch, and which of its positions."""
    number, column = place[:, 0], place[:, 1]
    items = tf.gather(stretch.item, number)  # [B, W]
    is_rival = tf.range(stretch.item.shape[1]) >= column[:, None]
    return Question(
        item=tf.gather_nd(stretch.item, place),
        rival=tf.where(is_rival, items, PADDING),
        is_liked=is_rival & (tf.gather(stretch.reward, number) > 0),
        had=tf.gather(stretch.since, number) < column[:, None],
    )


def next_of_all(scores: tf.Tensor, asked: Question, items: tf.Tensor) -> Answer:
    """Cross-entropy of the next item among all that the user had not had.

    An item that comes again is told apart from none that was had: nothing is asked there.

    Args:
        scores: [B, I].
        asked: the positions.
        items: [I, D].
    """
    _check(scores, items)
    is_left = (tf.range(tf.shape(scores)[1]) != PADDING) & ~asked.had
    log_prob = tf.nn.log_softmax(tf.where(is_left, scores, _NEVER))
    own, is_asked = (tf.gather(part, asked.item, batch_dims=1) for part in (log_prob, is_left))
    return Answer(
        loss=tf.where(is_asked, -own, 0.0),
        told=tf.gather(items, asked.item),
        shown=tf.matmul(tf.exp(log_prob), items),
    )


def liked_among_rated(scores: tf.Tensor, asked: Question, items: tf.Tensor) -> Answer:
    """Cross-entropy of what will be liked among what will be rated (Cao et al. 2007, ListNet).

    The liked ones share the target's mass evenly; where there are none, nothing is asked.

    Args:
        scores: [B, I].
        asked: the positions.
        items: [I, D].
    """
    _check(scores, items)
    theirs = tf.gather(scores, asked.rival, batch_dims=1)  # [B, W]
    log_prob = tf.nn.log_softmax(tf.where(asked.rival == PADDING, _NEVER, theirs))
    liked = tf.cast(asked.is_liked, tf.float32)
    share = liked / tf.maximum(tf.reduce_sum(liked, axis=1, keepdims=True), 1.0)
    vectors = tf.gather(items, asked.rival)  # [B, W, D]
    return Answer(
        loss=-tf.reduce_sum(share * log_prob, axis=1),
        told=tf.einsum("bw,bwd->bd", share, vectors),
        shown=tf.einsum("bw,bwd->bd", tf.exp(log_prob), vectors),
    )


def _check(scores: tf.Tensor, items: tf.Tensor) -> None:
    if scores.shape.rank != 2 or scores.shape[1] != items.shape[0]:
        raise ValueError(
            f"Expected scores [B, I] of {items.shape[0]} items. Received shape {scores.shape}."
        )
