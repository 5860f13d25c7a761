"""From what an item looks, sounds and reads like to its vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from drrec.arrays import read_arrays, write_arrays
from drrec.errors import InputError
from drrec.limits import current
from drrec.registry import FUSIONS

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence

    from drrec.embeddings.config import ContentConfig
    from drrec.features.store import Modality

_LEAST_DEVIATION = 1e-6


@keras.saving.register_keras_serializable(package="drrec")
class ItemEncoder(keras.layers.Layer):
    """(features: M tensors [B, dim_m], present [B, M], identity [B, D]) -> [B, D].

    Standardises the raw features, drops some while training, and fuses them. An item that has no
    modality falls back to its `identity`, the vector that it is known by through its id.
    """

    def __init__(
        self,
        width: int,
        fusion: str = "early",
        aggregation: str | None = None,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        """Make vectors of `width` D by `FUSIONS[fusion]`, with `dropout` on the features."""
        super().__init__(**kwargs)
        self.width = width
        self.fusion = FUSIONS[fusion](width, aggregation)
        self.dropout = keras.layers.Dropout(dropout)
        self._settings = {
            "width": width,
            "fusion": fusion,
            "aggregation": aggregation,
            "dropout": dropout,
        }

    def build(self, features_shape: Any, present_shape: Any, identity_shape: Any) -> None:
        """Build for modalities of these widths."""
        self.means: list[Any] = []
        self.deviations: list[Any] = []
        for number, shape in enumerate(features_shape):
            for name, start, weights in (
                ("mean", "zeros", self.means),
                ("deviation", "ones", self.deviations),
            ):
                weight = self.add_weight(
                    name=f"{name}_{number}",
                    shape=(shape[-1],),
                    initializer=start,
                    trainable=False,
                )
                weights.append(weight)
        self.scale = self.add_weight(
            name="scale", shape=(self.width,), initializer="ones", trainable=False
        )
        self.fusion.build(features_shape, present_shape)

    def standardise_by(self, modalities: Sequence[Modality], known: np.ndarray) -> None:
        """Take means and deviations from the items `known [I]` bool that have the modality."""
        for number, modality in enumerate(modalities):
            rows = modality.features[known & modality.present]
            if len(rows):
                self.means[number].assign(rows.mean(axis=0))
                self.deviations[number].assign(np.maximum(rows.std(axis=0), _LEAST_DEVIATION))

    def call(
        self, features: list[Any], present: Any, identity: Any, training: bool | None = None
    ) -> Any:
        """Encode."""
        standard = [
            self.dropout((x - mean) / deviation, training=training)
            for x, mean, deviation in zip(features, self.means, self.deviations, strict=True)
        ]
        fused = self.scale * self.fusion(standard, present)
        return ops.where(ops.any(present, axis=1, keepdims=True), fused, identity)

    def compute_output_shape(
        self, features_shape: Any, present_shape: Any, identity_shape: Any
    ) -> tuple[Any, ...]:
        """[B, D]."""
        return tuple(identity_shape)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return super().get_config() | self._settings


def encoder_inputs(modalities: Sequence[Modality]) -> tuple[list[np.ndarray], np.ndarray]:
    """The features, M arrays [I, dim_m], and `present [I, M]` of all items."""
    present = np.stack([modality.present for modality in modalities], axis=1)
    return [modality.features for modality in modalities], present


def new_encoder(width: int, config: ContentConfig, modalities: Sequence[Modality]) -> ItemEncoder:
    """An untrained encoder of these modalities, built."""
    encoder = ItemEncoder(width, config.fusion, config.aggregation, config.dropout)
    widths = [(None, modality.features.shape[1]) for modality in modalities]
    encoder.build(widths, (None, len(widths)), (None, width))
    return encoder


def save_encoder(path: pathlib.Path, encoder: ItemEncoder) -> None:
    """Write its weights and its width to one `.npz`, whole or not at all."""
    arrays: dict[str, Any] = {"width": np.array(encoder.width)}
    arrays |= {f"weight_{number:03}": np.array(w) for number, w in enumerate(encoder.weights)}
    write_arrays(path, arrays)


def load_encoder(
    path: pathlib.Path, config: ContentConfig, modalities: Sequence[Modality]
) -> ItemEncoder:
    """Read what `save_encoder` wrote.

    Raises:
        InputError: there is no such file, or it is broken or of other settings.
    """
    mend = "Remove its folder and run again."
    arrays = read_arrays(path, "an item encoder", mend)
    width = arrays.pop("width", np.array(0))
    if width.shape == () and width.dtype.kind == "i" and 0 < width <= current().max_dim:
        encoder = new_encoder(int(width), config, modalities)
        weights = [arrays[name] for name in sorted(arrays)]
        shapes = [tuple(weight.shape) for weight in encoder.weights]
        if [w.shape for w in weights] == shapes and {w.dtype.kind for w in weights} <= {"f"}:
            encoder.set_weights(weights)
            return encoder
    raise InputError(
        f"Expected an encoder of these modalities in {path}. Received: another. {mend}"
    )
