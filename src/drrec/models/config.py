"""Settings of pre-training; apart from it, so that `--help` need not load TensorFlow."""

from __future__ import annotations

import dataclasses
from typing import Literal

from drrec.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmbeddingConfig:
    """What users and items are known by."""

    embedding: Literal["both", "variational", "pmf"] = "both"
    """Matrix factorisation: variational Bayes, the paper's PMF by gradient descent, or half of the
    coordinates by each, which add up to the mean of what they predict."""
    dim_emb: int = 33
    """D, width of a user's or an item's vector. [>= 2]"""
    popularity: float = 0.3
    """Weight of one more coordinate, an item's standardised log popularity; 0 is none. [>= 0]"""
    held_out: float = 0.2
    """Share of each user's training ratings, the latest, that sessions hand out to an agent whose
    vectors have not seen them; 0: vectors know all that is handed out, as in the paper. [0 to 1)"""

    def __post_init__(self) -> None:
        if min(self.widths().values()) < 2:
            raise InputError(
                "`dim_emb` must leave each factorisation at least 2 coordinates, beside the one "
                f"for popularity if there is one. Received: {self.dim_emb}."
            )
        if not 0 <= self.held_out < 1:
            raise InputError(
                f"`held_out` must be in [0, 1). Received: {self.held_out}. "
                "Sessions hand out a share of the training ratings, not all."
            )
        if self.popularity < 0:
            raise InputError(f"`popularity` must be 0 or more. Received: {self.popularity}.")

    def widths(self) -> dict[str, int]:
        """How many coordinates each factorisation gets."""
        free = self.dim_emb - bool(self.popularity)
        if self.embedding == "both":
            return {"variational": free // 2, "pmf": free - free // 2}
        return {self.embedding: free}
