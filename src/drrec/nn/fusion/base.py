"""Fusion: base class of fusion layers, and means over the modalities that are present."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from drrec.errors import InputError, shown


def small_start() -> keras.initializers.Initializer:
    """Kernel initialiser: outputs start near zero, as features are wide."""
    return keras.initializers.RandomNormal(stddev=1e-3)


class Fusion(keras.layers.Layer):
    """Base class of fusions: (features: M tensors [B, dim_m], present [B, M]) -> [B, width]."""

    aggregations: tuple[str, ...] = ("concat", "mean")
    """Supported poolings, the default first."""

    def __init__(self, width: int, aggregation: str | None = None, **kwargs: Any) -> None:
        """Set the output `width` and the pooling; None is the default pooling.

        Raises:
            InputError: the pooling is not supported.
        """
        super().__init__(**kwargs)
        aggregation = aggregation or self.aggregations[0]
        if aggregation not in self.aggregations:
            raise InputError(
                f"Expected `aggregation` to be {' or '.join(self.aggregations)} in "
                f"{type(self).__name__}. Received: {shown(aggregation)}."
            )
        self.width, self.aggregation = width, aggregation

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments, for serialisation."""
        return super().get_config() | {"width": self.width, "aggregation": self.aggregation}

    def compute_output_shape(self, features_shape: Any, present_shape: Any) -> tuple[Any, ...]:
        """[B, width]."""
        return (present_shape[0], self.width)

    def dense_each(self, features_shape: Any, widths: list[int]) -> list[keras.layers.Dense]:
        """One dense layer for each modality, built."""
        layers = []
        for shape, width in zip(features_shape, widths, strict=True):
            layer = keras.layers.Dense(width, kernel_initializer=small_start())
            layer.build(tuple(shape))
            layers.append(layer)
        return layers


def only_present(features: list[Any], present: Any) -> list[Any]:
    """The M tensors [B, dim_m], set to zero where a modality is absent."""
    return [
        ops.where(present[:, number : number + 1], tensor, ops.zeros_like(tensor))
        for number, tensor in enumerate(features)
    ]


def mean_of_present(vectors: list[Any], present: Any) -> Any:
    """M tensors [B, D] and [B, M] -> [B, D]: the mean over present modalities, zero if none is."""
    weights = ops.cast(present, vectors[0].dtype)
    count = ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1)  # [B, 1]
    return ops.sum(ops.stack(only_present(vectors, present), axis=1), axis=1) / count
