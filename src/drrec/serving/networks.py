"""Forward passes of the networks in `nn`, in NumPy.

Weights come in the order in which Keras lists them. All arrays are float32; `tests/contracts/`
compares every state module and encoder with its original.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    Weights = Sequence[np.ndarray]

_NORM_EPSILON = 1e-6
_PER_BLOCK = 11  # weights of a CausalBlock


def dense(inputs: np.ndarray, kernel: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """[..., D] -> [..., W]; one product for all rows, whatever the shape."""
    flat = inputs.reshape(-1, inputs.shape[-1]) @ kernel
    if bias is not None:
        flat += bias
    return flat.reshape(*inputs.shape[:-1], kernel.shape[1])


def relu(inputs: np.ndarray) -> np.ndarray:
    """max(x, 0)."""
    return np.maximum(inputs, np.float32(0))


def perceptron(weights: Weights, inputs: np.ndarray) -> np.ndarray:
    """Two ReLU layers and a linear one, `nn.actor_critic`."""
    hidden = relu(dense(inputs, *weights[:2]))
    return dense(relu(dense(hidden, *weights[2:4])), *weights[4:6])


def plain_actor(weights: Weights, state: np.ndarray, user: np.ndarray) -> np.ndarray:
    """[B, S], [B, D] -> [B, D] in [−1, 1]: the paper's actor."""
    return np.tanh(perceptron(weights, state))


def anchored_actor(weights: Weights, state: np.ndarray, user: np.ndarray) -> np.ndarray:
    """[B, S], [B, D] -> [B, D] of length 1: the user's vector with what was learned."""
    raw = user + perceptron(weights, state)
    return raw / np.maximum(np.linalg.norm(raw, axis=-1, keepdims=True), np.float32(1e-6))


def layer_norm(inputs: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    centred = inputs - inputs.mean(axis=-1, keepdims=True)
    variance = np.mean(centred**2, axis=-1, keepdims=True)
    return centred / np.sqrt(variance + np.float32(_NORM_EPSILON)) * gamma + beta


def causal_block(
    weights: Weights, sequence: np.ndarray, is_item: np.ndarray, num_heads: int
) -> np.ndarray:
    """[B, L, D], [B, L] -> [B, L, D], `nn.transformer.CausalBlock`."""
    attend_gamma, attend_beta, read, *rest = weights
    write, write_bias, forward_gamma, forward_beta, widen, widen_bias, narrow, narrow_bias = rest
    size, length, width = sequence.shape
    normed = layer_norm(sequence, attend_gamma, attend_beta)
    heads = dense(normed, read).reshape(size, length, 3, num_heads, -1)
    query, key, value = heads.transpose(2, 0, 3, 1, 4)  # each [B, H, L, D / H]
    scale = np.float32((width // num_heads) ** -0.5)
    score = (query * scale) @ key.swapaxes(2, 3)  # [B, H, L, L]
    may_read = np.tri(length, dtype=bool) & (is_item[:, None] | np.eye(length, dtype=bool))
    score = np.where(may_read[:, None], score, np.float32(-np.inf))
    weight = np.exp(score - score.max(axis=-1, keepdims=True))
    weight /= weight.sum(axis=-1, keepdims=True)
    joined = (weight @ value).swapaxes(1, 2).reshape(size, length, width)
    sequence = sequence + dense(joined, write, write_bias)
    thought = relu(dense(layer_norm(sequence, forward_gamma, forward_beta), widen, widen_bias))
    return sequence + dense(thought, narrow, narrow_bias)


def causal_transformer(
    weights: Weights, sequence: np.ndarray, is_item: np.ndarray, num_heads: int
) -> np.ndarray:
    """[B, L, D], [B, L] -> [B, L, D], `nn.transformer.CausalTransformer`."""
    position, *rest = weights
    sequence = sequence + np.where(is_item[:, :, None], position, np.float32(0))
    for start in range(0, len(rest) - 2, _PER_BLOCK):
        block = rest[start : start + _PER_BLOCK]
        sequence = causal_block(block, sequence, is_item, num_heads)
    return layer_norm(sequence, *rest[-2:])


def gated_recurrence(weights: Weights, sequence: np.ndarray, is_item: np.ndarray) -> np.ndarray:
    """[B, L, D], [B, L] -> [B, L, D], `nn.sequence.GatedRecurrence`."""
    for start in range(0, len(weights) - 2, 3):
        sequence = _gru(weights[start : start + 3], sequence, is_item)
    return dense(sequence, *weights[-2:])


def _gru(weights: Weights, sequence: np.ndarray, is_item: np.ndarray) -> np.ndarray:
    """Cho et al. 2014, with the reset after the product, as cuDNN has it; padding is passed by."""
    kernel, recurrent, bias = weights
    given = dense(sequence, kernel, bias[0])  # [B, L, 3 D]
    hidden = np.zeros((len(sequence), sequence.shape[2]), np.float32)
    outputs = np.empty_like(sequence)
    for place in range(sequence.shape[1]):
        update, reset, new = np.split(given[:, place], 3, axis=1)
        own = np.split(hidden @ recurrent + bias[1], 3, axis=1)
        kept = _sigmoid(update + own[0])
        proposed = np.tanh(new + _sigmoid(reset + own[1]) * own[2])
        moved = kept * hidden + (1 - kept) * proposed
        hidden = np.where(is_item[:, place, None], moved, hidden)
        outputs[:, place] = hidden
    return outputs


def _sigmoid(inputs: np.ndarray) -> np.ndarray:
    return np.float32(0.5) * (np.tanh(np.float32(0.5) * inputs) + np.float32(1))
