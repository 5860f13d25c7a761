"""How models of the next item are made and trained."""

from __future__ import annotations

import dataclasses
from typing import Literal

from drrec.errors import InputError
from drrec.ranges import check_ranges
from drrec.registry import check_choices

Loss = Literal["cross_entropy", "sampled_softmax", "gbce"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SequenceConfig:
    """Sizes, loss and training of a model of the next item."""

    width: int = 64
    """D, of the items' vectors and all between."""
    length: int = 50
    """L, the latest items that are read."""
    num_layers: int = 2
    """Blocks of a transformer, or layers of a GRU."""
    num_heads: int = 2
    """Attention heads; a GRU has none."""
    dropout: float = 0.3
    """Share of what is dropped while training, in [0, 1)."""
    liked_only: bool = False
    """Whether sequences hold liked items alone, or all that were rated."""
    loss: Loss = "cross_entropy"
    """Over the catalogue; sampled_softmax or gbce where it is large."""
    num_negatives: int = 1024
    """M, sampled for each update by the losses that sample."""
    calibration: float = 0.75
    """t of gbce, in [0, 1]."""
    learning_rate: float = 0.005
    """Of Adam."""
    average: float = 0.01
    """Share of the way that the weights in use go towards those that learn, at each update; 1 is
    no averaging."""
    batch_size: int = 128
    """Windows of L items in an update."""
    most_epochs: int = 100
    """Epochs before it stops anyhow."""
    patience: int = 10
    """Epochs without a better one before it stops."""
    refit: bool = True
    """Whether to train again on all, for as many epochs as were best without the last items."""

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            InputError: a setting is out of its range.
        """
        check_choices(self)
        counts = ("width", "length", "num_layers", "num_heads", "num_negatives", "batch_size")
        check_ranges(
            self,
            {
                "[1, inf)": (*counts, "most_epochs", "patience"),
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
