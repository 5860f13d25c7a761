"""State modules in NumPy: what the actor is given of a user and a history."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.data.histories import items_of, rewards_of
from drrec.serving.networks import causal_transformer, dense

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.serving.networks import Weights

_HEADS = 2  # of the transformer in `nn.state.attention`, which no setting changes


def drr_p(weights: Weights, user: np.ndarray, history: np.ndarray) -> np.ndarray:
    """[B, D], [B, L, D] -> [B, S]: items and their pairwise products."""
    items = weights[0][:, None] * history
    return np.concatenate([_flat(items), _pairwise_products(items)], axis=1)


def drr_u(weights: Weights, user: np.ndarray, history: np.ndarray) -> np.ndarray:
    """[B, D], [B, L, D] -> [B, S]: user times items, and pairwise products of items."""
    items = weights[0][:, None] * history
    return np.concatenate([_flat(user[:, None] * items), _pairwise_products(items)], axis=1)


def drr_ave(weights: Weights, user: np.ndarray, history: np.ndarray) -> np.ndarray:
    """[B, D], [B, L, D] -> [B, 3 D]: user, user times mean item, and mean item."""
    average = weights[0] @ history  # [B, D]
    return np.concatenate([user, user * average, average], axis=1)


def attention(weights: Weights, user: np.ndarray, history: np.ndarray) -> np.ndarray:
    """[B, D], [B, L, D] -> [B, D + W]: user, and what a transformer reads at the last position."""
    is_item = np.asarray(history.any(axis=-1))  # [B, L]
    read = causal_transformer(weights[2:], dense(history, *weights[:2]), is_item, _HEADS)
    latest = np.where(is_item[:, -1:], read[:, -1], np.float32(0))
    return np.concatenate([user, latest], axis=1)


def feedback(weights: Weights, user: np.ndarray, history: np.ndarray) -> np.ndarray:
    """[B, D], [B, L, D + 1] -> [B, S]: weighted sums of items, and of items times rewards."""
    items, reward = history[:, :, :-1], history[:, :, -1]
    shown = weights[0].T @ items  # [B, H, D]
    paid = weights[1].T @ (reward[:, :, None] * items)
    parts = [user, _flat(shown), _flat(paid), user * paid[:, 0], reward]
    return np.concatenate(parts, axis=1)


class StateForm(NamedTuple):
    """A state module without TensorFlow."""

    encode: Callable[[Weights, np.ndarray, np.ndarray], np.ndarray]
    reads_rewards: bool = False


NUMPY_STATES = {
    "drrec.nn.state.drr:DRRP": StateForm(drr_p),
    "drrec.nn.state.drr:DRRU": StateForm(drr_u),
    "drrec.nn.state.drr:DRRAve": StateForm(drr_ave),
    "drrec.nn.state.attention:Attention": StateForm(attention),
    "drrec.nn.state.feedback:Feedback": StateForm(feedback, reads_rewards=True),
}
"""By the path of the class, as a plug-in may register another under the same name."""


def described(items: np.ndarray, histories: np.ndarray) -> np.ndarray:
    """[I, D], [B, L] -> [B, L, D], or of histories with rewards [B, L, D + 1], the reward last."""
    vectors = items[items_of(histories)]
    if histories.dtype != np.int64:
        return vectors
    return np.concatenate([vectors, rewards_of(histories)[:, :, None]], axis=2)


def _flat(items: np.ndarray) -> np.ndarray:
    return items.reshape(len(items), items.shape[1] * items.shape[2])


def _pairwise_products(items: np.ndarray) -> np.ndarray:
    """[B, L, D] -> [B, L (L − 1) / 2 · D]: i_a ⊗ i_b for all a < b."""
    first, second = np.triu_indices(items.shape[1], k=1)
    return _flat(items[:, first] * items[:, second])
