"""Losses as pure functions that refuse a wrong rank: `[B, 1] - [B]` would train on nonsense."""

from __future__ import annotations

import tensorflow as tf


def td_target(reward: tf.Tensor, discount: tf.Tensor, next_q: tf.Tensor) -> tf.Tensor:
    """One-step target r + γ Q', each [B] -> [B] (Lillicrap et al. 2016, equation 4).

    No gradient flows through it.
    """
    _check_rank(1, reward=reward, discount=discount, next_q=next_q)
    return tf.stop_gradient(reward + discount * next_q)


def critic_loss(q: tf.Tensor, target: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """Mean of w (Q − y)², each [B] -> [] (Schaul et al. 2016, section 3.4)."""
    _check_rank(1, q=q, target=target, weight=weight)
    return tf.reduce_mean(weight * tf.square(q - target))


def actor_loss(q: tf.Tensor) -> tf.Tensor:
    """−mean Q(s, μ(s)), [B] -> [] (Lillicrap et al. 2016, equation 6)."""
    _check_rank(1, q=q)
    return -tf.reduce_mean(q)


def _check_rank(rank: int, **tensors: tf.Tensor) -> None:
    for name, tensor in tensors.items():
        if tensor.shape.rank != rank:
            raise ValueError(
                f"Expected `{name}` of rank {rank}. Received shape {tensor.shape}. "
                "Squeeze it first: broadcasting would pair every row with every other."
            )
