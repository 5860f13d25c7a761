"""A causal transformer over sequences that are padded on the left.

Vaswani et al., *Attention is all you need* (2017), as SASRec uses it (Kang and McAuley 2018), with
the norm before each sublayer (Xiong et al. 2020), which trains without a warm-up.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="drrec")
class CausalBlock(keras.layers.Layer):
    """(sequence [B, L, D], is_item [B, L] bool) -> [B, L, D]: one pre-norm transformer block.

    Position t reads positions ≤ t that hold an item, and itself. So padding moves nothing but
    padding, and what comes later moves nothing before it.
    """

    def __init__(
        self,
        num_heads: int = 2,
        expansion: int = 1,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        """`num_heads` divides D; the feed-forward part is `expansion` D wide.

        Raises:
            ValueError: a size is below 1.
        """
        super().__init__(**kwargs)
        if num_heads < 1 or expansion < 1:
            raise ValueError(
                "Expected `num_heads` and `expansion` of 1 or more. "
                f"Received: {num_heads} and {expansion}."
            )
        self.num_heads, self.expansion, self.rate = num_heads, expansion, dropout
        self.dropout = keras.layers.Dropout(dropout)

    def build(self, sequence_shape: tuple[Any, ...], is_item_shape: Any = None) -> None:
        """Build for sequences of this width.

        Raises:
            ValueError: the heads do not divide it.
        """
        width = sequence_shape[-1]
        if width % self.num_heads:
            raise ValueError(
                f"Expected a width that {self.num_heads} heads divide. Received: {width}."
            )
        shape = (None, None, width)
        self.attention_norm = _built(keras.layers.LayerNormalization(epsilon=1e-6), shape)
        self.read = _built(keras.layers.Dense(3 * width, use_bias=False), shape)
        self.write = _built(keras.layers.Dense(width), shape)
        self.forward_norm = _built(keras.layers.LayerNormalization(epsilon=1e-6), shape)
        self.widen = _built(keras.layers.Dense(self.expansion * width, "relu"), shape)
        self.narrow = _built(keras.layers.Dense(width), (None, None, self.expansion * width))

    def call(self, sequence: Any, is_item: Any, training: bool | None = None) -> Any:
        """Read what came before, then think it over."""
        read = self._attend(self.attention_norm(sequence), is_item, training)
        sequence = sequence + self.dropout(read, training=training)
        thought = self.narrow(self.widen(self.forward_norm(sequence)))
        return sequence + self.dropout(thought, training=training)

    def _attend(self, sequence: Any, is_item: Any, training: bool | None) -> Any:
        length, width = sequence.shape[1], sequence.shape[2]
        heads = ops.reshape(
            self.read(sequence), (-1, length, 3, self.num_heads, width // self.num_heads)
        )  # [B, L, 3, H, D / H]
        query, key, value = (heads[:, :, part] for part in range(3))
        scale = (width // self.num_heads) ** -0.5
        score = ops.einsum("bqhd,bkhd->bhqk", query * scale, key)  # [B, H, L, L]
        is_item = ops.cast(is_item, "bool")
        # Padding reads itself, for a softmax over nothing is no number.
        may_read = np.tri(length, dtype=bool) & (
            ops.expand_dims(is_item, 1) | np.eye(length, dtype=bool)
        )  # [B, L, L]
        score = ops.where(ops.expand_dims(may_read, 1), score, -np.inf)
        weight = self.dropout(ops.softmax(score), training=training)
        read = ops.einsum("bhqk,bkhd->bqhd", weight, value)  # [B, L, H, D / H]
        return self.write(ops.reshape(read, (-1, length, width)))

    def compute_output_shape(
        self, sequence_shape: tuple[Any, ...], is_item_shape: Any = None
    ) -> tuple[Any, ...]:
        """[B, L, D]."""
        return tuple(sequence_shape)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        own = {"num_heads": self.num_heads, "expansion": self.expansion, "dropout": self.rate}
        return super().get_config() | own


@keras.saving.register_keras_serializable(package="drrec")
class CausalTransformer(keras.layers.Layer):
    """(sequence [B, L, D], is_item [B, L] bool) -> [B, L, D]: positions, blocks and a norm.

    A learned vector is added to each item by its position, counted from the end as padding is on
    the left; padding gets none, so that an empty sequence is the same wherever it ends.
    """

    def __init__(
        self,
        num_layers: int = 2,
        num_heads: int = 2,
        expansion: int = 1,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        """`num_layers` blocks; the rest is `CausalBlock`'s."""
        super().__init__(**kwargs)
        self.settings: dict[str, Any] = {
            "num_heads": num_heads,
            "expansion": expansion,
            "dropout": dropout,
        }
        self.dropout = keras.layers.Dropout(dropout)
        self.blocks = [CausalBlock(**self.settings) for _ in range(num_layers)]

    def build(self, sequence_shape: tuple[Any, ...], is_item_shape: Any = None) -> None:
        """Build for sequences of this length and width."""
        self.position = self.add_weight(
            name="position",
            shape=tuple(sequence_shape[1:]),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )
        for block in self.blocks:
            block.build(sequence_shape)
        self.norm = _built(keras.layers.LayerNormalization(epsilon=1e-6), sequence_shape)

    def call(self, sequence: Any, is_item: Any, training: bool | None = None) -> Any:
        """Encode."""
        is_item = ops.cast(is_item, "bool")
        position = ops.where(ops.expand_dims(is_item, -1), self.position, 0.0)
        sequence = self.dropout(sequence + position, training=training)
        for block in self.blocks:
            sequence = block(sequence, is_item, training=training)
        return self.norm(sequence)

    def compute_output_shape(
        self, sequence_shape: tuple[Any, ...], is_item_shape: Any = None
    ) -> tuple[Any, ...]:
        """[B, L, D]."""
        return tuple(sequence_shape)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return super().get_config() | self.settings | {"num_layers": len(self.blocks)}


def _built(layer: keras.layers.Layer, shape: tuple[Any, ...]) -> keras.layers.Layer:
    layer.build(shape)
    return layer
