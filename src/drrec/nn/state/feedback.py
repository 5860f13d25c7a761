"""A state module that reads what was shown, liked or not, with what each paid, in order."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="drrec")
class Feedback(keras.layers.Layer):
    """[u, a_1 … a_H, b_1 … b_H, u ⊗ b_1, r] with a_h = Σ_j w_hj i_j and b_h = Σ_j v_hj r_j i_j.

    An item that was refused says as much as one that was liked: it bores, and it tells a taste
    (DEERS, Zhao et al. 2018, reads both in order, too). Each position has H learned weights: the
    first start as the average, the others at one of the last items each, so that what was shown
    just before is read by itself. S = (2 + 2 H) D + L.
    """

    reads_rewards = True
    """It is given rewards as the last column of the history."""

    def __init__(self, num_heads: int = 4, **kwargs: Any) -> None:
        """`num_heads` H."""
        super().__init__(**kwargs)
        self.num_heads = num_heads

    def build(self, user_shape: tuple[Any, ...], history_shape: tuple[Any, ...]) -> None:
        """Build for histories of this length."""
        length = history_shape[1]
        start = np.zeros((length, self.num_heads), np.float32)
        start[:, 0] = 1 / length
        for head in range(1, min(self.num_heads, length + 1)):
            start[length - head, head] = 1
        self.item_weight, self.reward_weight = (
            self.add_weight(
                name=name, shape=start.shape, initializer=keras.initializers.Constant(start)
            )
            for name in ("item_weight", "reward_weight")
        )

    def call(self, user: Any, history: Any) -> Any:
        """[B, D], [B, L, D + 1] -> [B, S]; rows of zeros are padding."""
        items, reward = history[:, :, :-1], history[:, :, -1]
        shown = ops.einsum("lh,bld->bhd", self.item_weight, items)  # [B, H, D]
        paid = ops.einsum("lh,bl,bld->bhd", self.reward_weight, reward, items)
        size = self.num_heads * items.shape[2]
        flat = [ops.reshape(heads, (-1, size)) for heads in (shown, paid)]
        return ops.concatenate([user, *flat, user * paid[:, 0], reward], axis=1)

    def compute_output_shape(
        self, user_shape: tuple[Any, ...], history_shape: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        """[B, S]."""
        _, length, columns = history_shape
        return (user_shape[0], (2 + 2 * self.num_heads) * (columns - 1) + length)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return super().get_config() | {"num_heads": self.num_heads}
