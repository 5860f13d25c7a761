"""Early fusion: pool the modalities, then one dense layer."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from drrec.nn.fusion.base import Fusion, mean_of_present, only_present, small_start


@keras.saving.register_keras_serializable(package="drrec")
class EarlyFusion(Fusion):
    """W · pool(x_1 … x_M) + b.

    `concat` puts the vectors end to end, an absent one as zeros; `mean` first projects each to
    `width` and averages those present.
    """

    def build(self, features_shape: Any, present_shape: Any) -> None:
        """Build for modalities of these widths."""
        pooled = sum(shape[-1] for shape in features_shape)
        self.projections: list[keras.layers.Dense] = []
        if self.aggregation == "mean":
            pooled = self.width
            self.projections = self.dense_each(features_shape, [pooled] * len(features_shape))
        self.dense = keras.layers.Dense(self.width, kernel_initializer=small_start())
        self.dense.build((None, pooled))

    def call(self, features: list[Any], present: Any) -> Any:
        """Fuse."""
        if self.aggregation == "concat":
            return self.dense(ops.concatenate(only_present(features, present), axis=1))
        projected = [layer(x) for layer, x in zip(self.projections, features, strict=True)]
        return self.dense(mean_of_present(projected, present))
