"""Settings of pre-training; apart from it, so that `--help` need not load TensorFlow."""

from __future__ import annotations

import dataclasses
from typing import Literal

from drrec.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmbeddingConfig:
    """What users and items are known by."""

    embedding: Literal["variational", "pmf"] = "variational"
    """Matrix factorisation: variational Bayes, or the paper's PMF by gradient descent."""
    dim_emb: int = 16
    """D, width of a user's or an item's vector. [>= 2]"""
    popularity: float = 0.3
    """Weight of one more coordinate, an item's standardised log popularity; 0 is none. [>= 0]"""
    held_out: float = 0.2
    """Share of each user's training ratings, the latest, that sessions hand out to an agent whose
    vectors have not seen them; 0: vectors know all that is handed out, as in the paper. [0 to 1)"""

    def __post_init__(self) -> None:
        if self.dim_emb < 2 + bool(self.popularity):
            raise InputError(
                "`dim_emb` must be at least 2, and 3 with a coordinate for popularity. "
                f"Received: {self.dim_emb}."
            )
        if not 0 <= self.held_out < 1:
            raise InputError(
                f"`held_out` must be in [0, 1). Received: {self.held_out}. "
                "Sessions hand out a share of the training ratings, not all."
            )
        if self.embedding == "pmf" and self.held_out:
            raise InputError(
                f"`held_out` must be 0 with embedding='pmf'. Received: {self.held_out}. "
                "Only variational vectors keep their axes when they are fitted again."
            )
        if self.popularity < 0:
            raise InputError(f"`popularity` must be 0 or more. Received: {self.popularity}.")
