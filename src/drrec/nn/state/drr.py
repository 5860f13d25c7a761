"""The state modules of DRR (Liu et al. 2018, section 4.2, figures 4 to 6).

Each maps a user vector [B, D] and the history's item vectors [B, L, D], zero where padded, to a
state [B, S]. The position weights w_i are learned; zero rows add nothing, so padding moves
nothing. They start so that an all-equal history weighs 1 in DRR-ave and each item 1 elsewhere.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="drrec")
class _PositionWeighted(keras.layers.Layer):
    """A learned weight for each of the L positions."""

    initial_weight = 1.0

    def build(self, user_shape: tuple[Any, ...], history_shape: tuple[Any, ...]) -> None:
        length = history_shape[1]
        start = keras.initializers.Constant(self.initial_weight)
        self.position_weight = self.add_weight(
            name="position_weight", shape=(length,), initializer=start
        )

    def weigh(self, history: Any) -> Any:
        """w_i · i_i, [B, L, D]."""
        return ops.expand_dims(self.position_weight, -1) * history

    def compute_output_shape(
        self, user_shape: tuple[Any, ...], history_shape: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        """[B, S]."""
        _, length, dim = history_shape
        return (user_shape[0], self.vectors_in_state(length) * dim)

    def vectors_in_state(self, length: int) -> int:
        """S / D for a history of `length`: each item and each pair."""
        return length + length * (length - 1) // 2


def _pairwise_products(items: Any) -> Any:
    """All i_a ⊗ i_b with a < b of items [B, L, D], flattened to [B, L (L − 1) / 2 · D]."""
    length, dim = items.shape[1], items.shape[2]
    first, second = np.triu_indices(length, k=1)
    products = ops.take(items, first, axis=1) * ops.take(items, second, axis=1)
    # Not −1 for B: where there are no pairs, nothing could be inferred from.
    return ops.reshape(products, (ops.shape(items)[0], len(first) * dim))


def _flat(items: Any) -> Any:
    return ops.reshape(items, (-1, items.shape[1] * items.shape[2]))


@keras.saving.register_keras_serializable(package="drrec")
class DRRP(_PositionWeighted):
    """DRR-p: w_i·i_i and their pairwise products, no user. S = (L + L (L − 1) / 2) D."""

    def call(self, user: Any, history: Any) -> Any:
        """[B, D], [B, L, D] -> [B, S]; `user` is ignored."""
        items = self.weigh(history)
        return ops.concatenate([_flat(items), _pairwise_products(items)], axis=1)


@keras.saving.register_keras_serializable(package="drrec")
class DRRU(_PositionWeighted):
    """DRR-u: u ⊗ w_i·i_i and the pairwise item products. S = (L + L (L − 1) / 2) D."""

    def call(self, user: Any, history: Any) -> Any:
        """[B, D], [B, L, D] -> [B, S]."""
        items = self.weigh(history)
        joint = _flat(ops.expand_dims(user, 1) * items)
        return ops.concatenate([joint, _pairwise_products(items)], axis=1)


@keras.saving.register_keras_serializable(package="drrec")
class DRRAve(_PositionWeighted):
    """DRR-ave: [u, u ⊗ ave, ave] with ave = Σ w_j·i_j. S = 3 D."""

    def build(self, user_shape: tuple[Any, ...], history_shape: tuple[Any, ...]) -> None:
        """Initialise at the plain average."""
        self.initial_weight = 1.0 / history_shape[1]
        super().build(user_shape, history_shape)

    def vectors_in_state(self, length: int) -> int:
        """Three, for any length."""
        return 3

    def call(self, user: Any, history: Any) -> Any:
        """[B, D], [B, L, D] -> [B, 3 D]."""
        average = ops.sum(self.weigh(history), axis=1)
        return ops.concatenate([user, user * average, average], axis=1)
