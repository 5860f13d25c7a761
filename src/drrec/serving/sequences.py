"""The sequential baselines without TensorFlow."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from drrec.base import Recommender
from drrec.baselines.sequential.recommenders import GRU4Rec, SASRec, Sequential
from drrec.serving.networks import causal_transformer, gated_recurrence
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.serving.networks import Weights

_SEQUENCES_AT_ONCE = 256


@dataclasses.dataclass(frozen=True, eq=False)
class NumPyEncoder:
    """`nn.sequence.NextItem` at the last position of each sequence."""

    weights: Weights
    num_heads: int  # of the transformer; 0 is the GRU

    def encode(self, sequences: np.ndarray) -> np.ndarray:
        """[B, L] item ids -> [B, D], what scores items after these sequences."""
        table, *rest = self.weights
        encoded = np.empty((len(sequences), table.shape[1]), np.float32)
        for start in range(0, len(sequences), _SEQUENCES_AT_ONCE):
            rows = slice(start, start + _SEQUENCES_AT_ONCE)
            is_item = sequences[rows] != PADDING
            vectors = table[sequences[rows]] * is_item[:, :, None].astype(np.float32)
            read = (
                causal_transformer(rest, vectors, is_item, self.num_heads)
                if self.num_heads
                else gated_recurrence(rest, vectors, is_item)
            )
            encoded[rows] = read[:, -1]
        return encoded


class _WithoutTensorFlow(Sequential):
    def restore(self, state: dict[str, Any]) -> Self:
        """Set fitted attributes, as `state` of the original returned them."""
        weights, _ = state.pop("weights"), state.pop("compiled")
        Recommender.restore(self, state)
        heads = self.config.num_heads if self.encoder == "transformer" else 0
        self._encoder: Any = NumPyEncoder(weights, heads)
        return self


class NumPySASRec(_WithoutTensorFlow, SASRec):
    """SASRec that was saved, in NumPy."""


class NumPyGRU4Rec(_WithoutTensorFlow, GRU4Rec):
    """GRU4Rec that was saved, in NumPy."""
