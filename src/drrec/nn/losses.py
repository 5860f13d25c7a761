"""Losses as pure functions. A wrong rank is an error, as `[B, 1] - [B]` would broadcast."""

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


def soft_actor_loss(q: tf.Tensor, log_prob: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
    """Mean α log π(a|s) − Q(s, a), [B] each -> [] (Haarnoja et al. 2018, equation 7)."""
    _check_rank(1, q=q, log_prob=log_prob)
    return tf.reduce_mean(temperature * log_prob - q)


def temperature_loss(
    temperature: tf.Tensor, log_prob: tf.Tensor, target_entropy: float
) -> tf.Tensor:
    """−α mean (log π + H̄), log π [B] -> [] (Haarnoja et al. 2018, equation 18).

    No gradient reaches the actor.
    """
    _check_rank(1, log_prob=log_prob)
    return -temperature * tf.reduce_mean(tf.stop_gradient(log_prob) + target_entropy)


def cloning_loss(action: tf.Tensor, logged: tf.Tensor) -> tf.Tensor:
    """Mean ‖a − b‖², [B, D] each -> [] (Fujimoto and Gu 2021, equation 3)."""
    _check_rank(2, action=action, logged=logged)
    return tf.reduce_mean(tf.reduce_sum(tf.square(action - logged), axis=1))


def clipped_policy_loss(
    log_prob: tf.Tensor, old_log_prob: tf.Tensor, advantage: tf.Tensor, clip: float
) -> tf.Tensor:
    """−mean min(ρ A, clip(ρ, 1 ± ε) A), [B] each -> [] (Schulman et al. 2017, equation 7)."""
    _check_rank(1, log_prob=log_prob, old_log_prob=old_log_prob, advantage=advantage)
    ratio = tf.exp(log_prob - tf.stop_gradient(old_log_prob))
    bounded = tf.clip_by_value(ratio, 1 - clip, 1 + clip)
    return -tf.reduce_mean(tf.minimum(ratio * advantage, bounded * advantage))


def policy_gradient_loss(log_prob: tf.Tensor, advantage: tf.Tensor) -> tf.Tensor:
    """−mean log π A, [B] each -> [] (Mnih et al. 2016, section 4)."""
    _check_rank(1, log_prob=log_prob, advantage=advantage)
    return -tf.reduce_mean(log_prob * tf.stop_gradient(advantage))


def clipped_value_loss(
    value: tf.Tensor, old_value: tf.Tensor, target: tf.Tensor, clip: float
) -> tf.Tensor:
    """Mean of max((V − y)², (V_clipped − y)²), V_clipped within ±`clip` of the old V, [B] -> [].

    A `clip` of 0 is no clipping (as in the published code of Schulman et al. 2017).
    """
    _check_rank(1, value=value, old_value=old_value, target=target)
    error = tf.square(value - target)
    if not clip:
        return tf.reduce_mean(error)
    held = old_value + tf.clip_by_value(value - old_value, -clip, clip)
    return tf.reduce_mean(tf.maximum(error, tf.square(held - target)))


def entropy_of(logits: tf.Tensor) -> tf.Tensor:
    """[B] entropy in nats of softmax over `logits [B, I]`, −inf at unavailable items."""
    _check_rank(2, logits=logits)
    log_prob = tf.nn.log_softmax(logits)
    # 0 · −inf is not a number, nor is its gradient.
    finite = tf.where(logits > -float("inf"), log_prob, 0.0)
    return -tf.reduce_sum(tf.exp(log_prob) * finite, axis=1)


def generalised_advantages(delta: tf.Tensor, decay: tf.Tensor) -> tf.Tensor:
    """A_t = δ_t + d_t A_{t+1}, [H, N] each -> [H, N] (Schulman et al. 2016, equation 16).

    Args:
        delta: r + γ V(s') − V(s).
        decay: γ λ, or 0 at the end of a session.
    """
    _check_rank(2, delta=delta, decay=decay)
    steps = zip(reversed(tf.unstack(delta)), reversed(tf.unstack(decay)), strict=True)
    running, advantages = tf.zeros_like(delta[0]), []
    for here, kept in steps:
        running = here + kept * running
        advantages.append(running)
    return tf.stack(advantages[::-1])


def _check_rank(rank: int, **tensors: tf.Tensor) -> None:
    for name, tensor in tensors.items():
        if tensor.shape.rank != rank:
            raise ValueError(
                f"Expected `{name}` of rank {rank}. Received shape {tensor.shape}. "
                "Squeeze it first: broadcasting would pair every row with every other."
            )
