"""Settings of the sequential baselines."""

from __future__ import annotations

import dataclasses
from typing import Literal

from drrec.errors import InputError
from drrec.ranges import check_ranges
from drrec.registry import check_choices

Loss = Literal["auto", "cross_entropy", "sampled_softmax", "gbce"]

SAMPLED_FROM = 20_000
"""Items from which on `loss` auto is sampled_softmax.

The scores of a batch of 128 windows of 50 over so many items take half a gigabyte, and their
gradient as much again.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SequenceConfig:
    """Architecture, loss and training of a sequential model."""

    width: int = 64
    """D, embedding and hidden size. [1 to 65,536]"""
    length: int = 50
    """L, maximum sequence length, most recent items. [1 to 65,536]"""
    num_layers: int = 2
    """Transformer blocks, or GRU layers. [1 to 100]"""
    num_heads: int = 2
    """Attention heads of the transformer; they divide `width`. [1 to 100]"""
    dropout: float = 0.3
    """Dropout rate. [0 to 1)"""
    liked_only: bool = False
    """Whether sequences consist of liked items only, or of all rated items."""
    loss: Loss = "auto"
    """Training loss: softmax cross-entropy over the catalogue, or with sampled negatives.
    auto: cross_entropy, or sampled_softmax from 20,000 items on."""
    num_negatives: int = 1024
    """M, negatives sampled for each batch, by sampled_softmax and gbce. [1 to 10^6]"""
    calibration: float = 0.75
    """Calibration t of gbce. [0 to 1]"""
    learning_rate: float = 0.005
    """Adam learning rate. [> 0]"""
    average: float = 0.01
    """Polyak coefficient of the averaged weights, which are the ones in use; 1 is no averaging.
    [0 < share <= 1]"""
    batch_size: int = 128
    """Sequences in a batch. [1 to 10^6]"""
    most_epochs: int = 100
    """Maximum number of epochs. [1 to 10^6]"""
    patience: int = 10
    """Early stopping: epochs without improvement. [1 to 10^6]"""
    refit: bool = True
    """Whether to train again on all interactions, for the best number of epochs."""

    def loss_over(self, num_items: int) -> Loss:
        """The loss for a catalogue of `num_items`."""
        if self.loss != "auto":
            return self.loss
        return "sampled_softmax" if num_items >= SAMPLED_FROM else "cross_entropy"

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            InputError: a setting is out of its range.
        """
        check_choices(self)
        counts = ("num_negatives", "batch_size", "most_epochs", "patience")
        check_ranges(
            self,
            {
                "[1, 65536]": ("width", "length"),
                "[1, 100]": ("num_layers", "num_heads"),
                "[1, 1000000]": counts,
                "[0, 1)": ("dropout",),
                "[0, 1]": ("calibration",),
                "(0, 1]": ("average",),
                "(0, inf)": ("learning_rate",),
            },
        )
        if self.width % self.num_heads:
            raise InputError(
                f"`num_heads` must divide `width`. Received: {self.num_heads} and {self.width}."
            )
