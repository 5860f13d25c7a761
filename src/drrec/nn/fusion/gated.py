"""Gated fusion: attention says which modality to listen to, a gate how much of what it says."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from drrec.nn.fusion.base import Fusion


@keras.saving.register_keras_serializable(package="drrec")
class GatedFusion(Fusion):
    """g ⊙ h with h = Σ α_m h_m, h_m = W_m x_m + b_m and g = 2σ(V h + c).

    α is a softmax over the modalities present, of tanh(A h_m + a) · q (gated multimodal attention;
    Arevalo et al. 2017 gate, Bahdanau et al. 2015 attend). What it gives is the residual that
    `ItemEncoder` adds to the id's vector. At the start q, V and c are zero, so that α is even and
    g is 1: then it is `late` with `mean`.
    """

    aggregations = ("mean",)

    def build(self, features_shape: Any, present_shape: Any) -> None:
        """Build for modalities of these widths."""
        self.sources = self.dense_each(features_shape, [self.width] * len(features_shape))
        self.key = keras.layers.Dense(self.width, "tanh")
        self.key.build((None, None, self.width))
        self.query = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
        self.query.build((None, None, self.width))
        self.gate = keras.layers.Dense(self.width, "sigmoid", kernel_initializer="zeros")
        self.gate.build((None, self.width))

    def call(self, features: list[Any], present: Any) -> Any:
        """Fuse."""
        attention, vectors = self._attention(features, present)
        fused = ops.sum(attention[:, :, None] * vectors, axis=1)  # [B, M, D] -> [B, D]
        return 2 * self.gate(fused) * fused

    def attention(self, features: list[Any], present: Any) -> Any:
        """[B, M] how much each modality is listened to; 0 where absent."""
        return self._attention(features, present)[0]

    def _attention(self, features: list[Any], present: Any) -> tuple[Any, Any]:
        vectors = [layer(x) for layer, x in zip(self.sources, features, strict=True)]
        stacked = ops.stack(vectors, axis=1)  # [B, M, D]
        stacked = ops.where(present[:, :, None], stacked, 0.0)
        scores = self.query(self.key(stacked))[:, :, 0]  # [B, M]
        # Not −inf: a softmax over nothing but −inf is NaN, and so is its gradient. And by its
        # logarithm, as `ops.softmax` warns of a single modality.
        weights = ops.exp(ops.log_softmax(ops.where(present, scores, -1e9), axis=1))
        return weights * ops.cast(present, weights.dtype), stacked
