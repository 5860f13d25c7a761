"""Late fusion: one dense layer for each modality, then pool."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from drrec.errors import InputError
from drrec.nn.fusion.base import Fusion, mean_of_present, only_present


@keras.saving.register_keras_serializable(package="drrec")
class LateFusion(Fusion):
    """pool(W_1 x_1 + b_1 … W_M x_M + b_M).

    `concat` divides `width` among the modalities, the first ones taking what is left over, and an
    absent modality's share is zero; `mean` gives each the whole `width` and averages those present.
    """

    def build(self, features_shape: Any, present_shape: Any) -> None:
        """Build for modalities of these widths.

        Raises:
            InputError: there are more of them than coordinates to share out.
        """
        count = len(features_shape)
        widths = [self.width] * count
        if self.aggregation == "concat":
            if self.width < count:
                raise InputError(
                    f"Expected at least {count} coordinates to share out among {count} modalities. "
                    f"Received: {self.width}. Raise --dim-emb, or choose --aggregation mean."
                )
            widths = [self.width // count + (m < self.width % count) for m in range(count)]
        self.layers = self.dense_each(features_shape, widths)

    def call(self, features: list[Any], present: Any) -> Any:
        """Fuse."""
        vectors = [layer(x) for layer, x in zip(self.layers, features, strict=True)]
        if self.aggregation == "mean":
            return mean_of_present(vectors, present)
        return ops.concatenate(only_present(vectors, present), axis=1)
