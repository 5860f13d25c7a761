"""Sequence encoders for next-item prediction: a causal transformer and a GRU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from drrec.nn.transformer import CausalTransformer
from drrec.types import PADDING

if TYPE_CHECKING:
    from collections.abc import Callable


@keras.saving.register_keras_serializable(package="drrec")
class GatedRecurrence(keras.layers.Layer):
    """(sequence [B, L, D], is_item [B, L] bool) -> [B, L, D]: layers of GRU (Cho et al. 2014).

    Padding leaves the state as it is, zero at the start.
    """

    def __init__(self, num_layers: int = 1, dropout: float = 0.0, **kwargs: Any) -> None:
        """`num_layers` of them, with `dropout` on what each is given."""
        super().__init__(**kwargs)
        self.num_layers, self.rate = num_layers, dropout
        self.dropout = keras.layers.Dropout(dropout)

    def build(self, sequence_shape: tuple[Any, ...], is_item_shape: Any = None) -> None:
        """Build for sequences of this width."""
        self.cells = []
        for _ in range(self.num_layers):
            # cuDNN's takes padding on the right alone.
            cell = keras.layers.GRU(sequence_shape[-1], return_sequences=True, use_cudnn=False)
            cell.build(sequence_shape)
            self.cells.append(cell)
        self.project = keras.layers.Dense(sequence_shape[-1])
        self.project.build(sequence_shape)

    def call(self, sequence: Any, is_item: Any, training: bool | None = None) -> Any:
        """Encode."""
        for cell in self.cells:
            sequence = self.dropout(sequence, training=training)
            sequence = cell(sequence, mask=is_item, training=training)
        return self.project(sequence)

    def compute_output_shape(
        self, sequence_shape: tuple[Any, ...], is_item_shape: Any = None
    ) -> tuple[Any, ...]:
        """[B, L, D]."""
        return tuple(sequence_shape)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return super().get_config() | {"num_layers": self.num_layers, "dropout": self.rate}


ENCODERS: dict[str, Callable[..., keras.layers.Layer]] = {
    "transformer": CausalTransformer,
    "gru": GatedRecurrence,
}
"""Constructors of what makes of vectors [B, L, D], `is_item [B, L]` the vectors to score with."""


@keras.saving.register_keras_serializable(package="drrec")
class NextItem(keras.Model):
    """Items [B, L], 0 = padding on the left -> [B, L, D], by which what comes next is scored.

    The score of item i after position t is hidden_t · table_i, with the table that the inputs are
    looked up in, too (Kang and McAuley 2018, section 3.4).
    """

    def __init__(
        self, num_items: int, width: int, encoder: str, settings: dict[str, Any], **kwargs: Any
    ) -> None:
        """`num_items` I with padding; `ENCODERS[encoder]` is made with `settings`."""
        super().__init__(**kwargs)
        self.sizes = {"num_items": num_items, "width": width}
        self.made_with = {"encoder": encoder, "settings": settings}
        self.encoder = ENCODERS[encoder](**settings)

    def build(self, items_shape: tuple[Any, ...]) -> None:
        """Build for sequences of this length."""
        width = self.sizes["width"]
        self.length = items_shape[1]
        self.table = self.add_weight(
            name="table",
            shape=(self.sizes["num_items"], width),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )
        self.encoder.build((None, items_shape[1], width), (None, items_shape[1]))

    def call(self, items: Any, training: bool | None = None) -> Any:
        """Encode."""
        items = ops.cast(items, "int32")
        is_item = ops.not_equal(items, PADDING)
        vectors = ops.take(self.table, items, axis=0)  # [B, L, D]
        vectors = vectors * ops.expand_dims(ops.cast(is_item, vectors.dtype), -1)
        return self.encoder(vectors, is_item, training=training)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return super().get_config() | self.sizes | self.made_with


def averaged(model: NextItem) -> NextItem:
    """A model that starts where `model` is, to be drawn after it by `follow`; nothing trains it."""
    mean = NextItem.from_config(model.get_config())
    mean.trainable = False
    mean.build((None, model.length))
    mean.set_weights(model.get_weights())
    return mean


def follow(mean: NextItem, model: NextItem, share: float, updates: Any) -> None:
    """Move the weights of `mean` by `share` of the way to those of `model`.

    So they are an average over the last 1 / share updates or so, which is nearer to a minimum than
    any of what is averaged (Polyak and Juditsky 1992). After few `updates []` they go further, as
    those of `tf.train.ExponentialMovingAverage` do: 9 / (10 + updates) of the way.
    """
    share = ops.maximum(share, 9 / (10 + ops.cast(updates, "float32")))
    for average, value in zip(mean.variables, model.variables, strict=True):
        if average.dtype == "float32":  # not the seeds of dropout
            average.assign(average + share * (value - average))
