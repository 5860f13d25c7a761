"""The item vectors that an agent looks ids up in: as pre-trained, or with their encoder tuned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from drrec.embeddings.content import encoded
from drrec.nn.item_encoder import ItemEncoder, encoder_inputs
from drrec.types import PADDING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drrec.features.store import Modality

START_DEVIATION = 0.1
"""Standard deviation of the coordinates that are learned from rewards, at the start."""


class ItemTable(keras.layers.Layer):
    """Frozen vectors `item [I, D]`, row 0 zero: nothing in here learns."""

    def __init__(self, item: np.ndarray) -> None:
        """Put them on the device."""
        super().__init__()
        self._item = tf.constant(item, tf.float32)

    def table(self) -> tf.Tensor:
        """[I, D]."""
        return self._item

    def moved(self, item: np.ndarray) -> np.ndarray:
        """[I, D] other vectors with the same axes, moved as far as these have moved."""
        return item

    def go_on_from(self, item: np.ndarray) -> None:
        """Take learned coordinates from `item [I, D + E]`, the `moved` of another; NaN of none."""

    def tuned_encoders(self) -> list[tuple[int, ItemEncoder]]:
        """Encoders whose difference moves the vectors, with its signs."""
        return []


class TunedItemTable(ItemTable):
    """Vectors whose last columns follow an encoder as it is tuned, from where they stand.

    item + E(x) − E₀(x), with E₀ the encoder at the start: at first this is the frozen table, to
    which ratings have added what content alone cannot say.
    """

    def __init__(
        self, item: np.ndarray, encoder: ItemEncoder, modalities: Sequence[Modality]
    ) -> None:
        """Copy the encoder, whose own weights stay as they are."""
        super().__init__(item)
        features, present = encoder_inputs(modalities)
        self._features = [tf.constant(x, tf.float32) for x in features]
        self._present = tf.constant(present)
        # An item without content is known by its id alone: it starts at 0 and stays there.
        start = encoded(encoder, modalities, np.zeros((len(item), encoder.width), np.float32))
        self._start = tf.constant(start)
        self.encoder = ItemEncoder.from_config(encoder.get_config() | {"dropout": 0.0})
        self.encoder.build([x.shape for x in features], present.shape, start.shape)
        self.encoder.set_weights(encoder.get_weights())
        self._first = lambda: encoder  # not a part of this layer: it learns no more

    def table(self) -> tf.Tensor:
        """[I, D]."""
        return self._item + self._way()

    def moved(self, item: np.ndarray) -> np.ndarray:
        """[I, D] other vectors with the same axes, moved as far as these have moved."""
        return item + self._way().numpy()

    def tuned_encoders(self) -> list[tuple[int, ItemEncoder]]:
        """Encoders whose difference moves the vectors, with its signs."""
        return [(1, self.encoder), (-1, self._first())]

    def _way(self) -> tf.Tensor:
        nothing = tf.zeros_like(self._start)
        way = self.encoder(self._features, self._present, nothing) - self._start
        way *= tf.cast(tf.range(len(self._item)) > 0, tf.float32)[:, None]
        left = self._item.shape[1] - self._start.shape[1]
        return tf.pad(way, [[0, 0], [left, 0]])  # [I, E] -> [I, D]


class GrownItemTable(ItemTable):
    """Another table with E more coordinates, which are learned elsewhere; those of row 0 are 0.

    What they are learned from is the order of the log, so other vectors keep them as they are.
    """

    def __init__(self, base: ItemTable, width: int) -> None:
        """`width` E coordinates, 0 at first, beside those of `base`."""
        super().__init__(base.table().numpy())
        self.base = base
        shape = len(self._item), width
        self.grown = self.add_weight(
            name="grown", shape=shape, initializer="zeros", trainable=False
        )

    def go_on_from(self, item: np.ndarray) -> None:
        """Take what is learned by the table beside; what has grown is learned elsewhere."""
        self.base.go_on_from(item)

    def tuned_encoders(self) -> list[tuple[int, ItemEncoder]]:
        """Those of the table beside."""
        return self.base.tuned_encoders()

    def grow(self, learned: tf.Tensor) -> None:
        """Take `learned [I, E]` for the coordinates beside."""
        self.grown.assign(tf.where(tf.range(len(self._item))[:, None] > 0, learned, 0.0))

    def table(self) -> tf.Tensor:
        """[I, D + E]."""
        return tf.concat([self.base.table(), self.grown.value], axis=1)

    def moved(self, item: np.ndarray) -> np.ndarray:
        """[I, D] other vectors with the same axes -> [I, D + E] with what was learned."""
        return np.concatenate([self.base.moved(item), np.array(self.grown)], axis=1)


class LearnedItemTable(ItemTable):
    """Another table with E more coordinates, which learn from rewards; those of row 0 are 0.

    Users have zeros there. They start near 0, so that at first scores are those of the other table.
    """

    def __init__(self, base: ItemTable, width: int, seed: int) -> None:
        """`width` E coordinates beside those of `base`, drawn from `seed`."""
        super().__init__(base.table().numpy())
        self.base = base
        drawn = keras.initializers.RandomNormal(stddev=START_DEVIATION, seed=seed)
        start = np.array(drawn((len(self._item), width)))
        start[PADDING] = 0
        self._start = start
        self.width = width
        self.learned = self.add_weight(
            name="learned", shape=start.shape, initializer=keras.initializers.Constant(start)
        )

    def table(self) -> tf.Tensor:
        """[I, D + E]."""
        is_item = tf.cast(tf.range(len(self._item)) != PADDING, tf.float32)[:, None]
        return tf.concat([self.base.table(), self.learned.value * is_item], axis=1)

    def moved(self, item: np.ndarray) -> np.ndarray:
        """[I, D] other vectors with the same axes -> [I, D + E] with what was learned.

        An item that was never shown has what the others have on average, for nothing was learned.
        """
        learned = np.array(self.learned)
        is_shown = (learned != self._start).any(axis=1)
        mean = learned[is_shown].mean(axis=0) if is_shown.any() else 0
        learned[1:] = np.where(is_shown[1:, None], learned[1:], mean)
        return np.concatenate([self.base.moved(item), learned], axis=1)

    def go_on_from(self, item: np.ndarray) -> None:
        """Take learned coordinates from `item [I, D + E]`, the `moved` of another; NaN of none."""
        first = self._item.shape[1]
        learned = item[:, first : first + self.width]
        self.learned.assign(np.where(np.isnan(learned), self._start, learned))

    def tuned_encoders(self) -> list[tuple[int, ItemEncoder]]:
        """Those of the table beside."""
        return self.base.tuned_encoders()


def item_table(
    item: np.ndarray,
    content: tuple[ItemEncoder, Sequence[Modality]] | None,
    dim_learned: int = 0,
    seed: int = 0,
) -> ItemTable:
    """`item [I, D]`, tuned if there is an encoder of `content`, with coordinates to learn."""
    table = TunedItemTable(item, *content) if content else ItemTable(item)
    return LearnedItemTable(table, dim_learned, seed) if dim_learned else table
