"""Gaussians squashed by tanh, as stochastic actors need them (Haarnoja et al. 2018, appendix C)."""

from __future__ import annotations

import math

import tensorflow as tf


def squashed_sample(
    mean: tf.Tensor, log_std: tf.Tensor, noise: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """a = tanh(m + σ ε) and its log density, each [B, D] -> [B, D] in [−1, 1], [B].

    log π(a) = Σ log N(m + σ ε; m, σ) − log (1 − a²); gradients flow through the sample, too.
    """
    raw = mean + tf.exp(log_std) * noise
    # log(1 − tanh² x) without a difference of nearly equal numbers.
    log_slope = 2 * (math.log(2) - raw - tf.nn.softplus(-2 * raw))
    log_normal = -0.5 * tf.square(noise) - log_std - 0.5 * math.log(2 * math.pi)
    return tf.tanh(raw), tf.reduce_sum(log_normal - log_slope, axis=1)
