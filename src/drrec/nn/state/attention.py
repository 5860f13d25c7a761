"""A state module that reads the history in its order: a causal transformer over the liked items."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from drrec.nn.transformer import CausalTransformer


@keras.saving.register_keras_serializable(package="drrec")
class Attention(keras.layers.Layer):
    """[u, h]: the user, and what the transformer makes of the history at its last position.

    The item vectors are brought to `width` first, whatever D is. An item's content is in its vector
    already, so with gated fusion every position reads what was weighed for its own item (after
    Kang and McAuley 2018). S = D + `width`.
    """

    def __init__(
        self, width: int = 64, num_layers: int = 1, num_heads: int = 2, **kwargs: Any
    ) -> None:
        """`num_heads` divides `width`."""
        super().__init__(**kwargs)
        self.settings = {"width": width, "num_layers": num_layers, "num_heads": num_heads}
        self.narrow = keras.layers.Dense(width)
        self.transformer = CausalTransformer(num_layers, num_heads)

    def build(self, user_shape: tuple[Any, ...], history_shape: tuple[Any, ...]) -> None:
        """Build for histories of this length and width."""
        self.narrow.build(history_shape)
        self.transformer.build((None, history_shape[1], self.settings["width"]))

    def call(self, user: Any, history: Any) -> Any:
        """[B, D], [B, L, D] -> [B, D + width]; rows of zeros are padding."""
        is_item = ops.any(history != 0, axis=-1)  # [B, L]
        read = self.transformer(self.narrow(history), is_item)  # [B, L, width]
        # Padding is on the left, so the last position holds the latest item, if there is any.
        latest = ops.where(is_item[:, -1:], read[:, -1], 0.0)
        return ops.concatenate([user, latest], axis=1)

    def compute_output_shape(
        self, user_shape: tuple[Any, ...], history_shape: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        """[B, S]."""
        return (user_shape[0], history_shape[2] + self.settings["width"])

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return super().get_config() | self.settings
