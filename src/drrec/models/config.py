"""Settings of pre-training; apart from it, so that `--help` need not load TensorFlow."""

from __future__ import annotations

import dataclasses
from typing import Literal

from drrec.errors import InputError
from drrec.types import MODALITIES


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmbeddingConfig:
    """What users and items are known by."""

    embedding: Literal["both", "variational", "pmf", "implicit"] = "both"
    """Matrix factorisation: of ratings by variational Bayes, by gradient descent (the paper's PMF),
    or half of the coordinates by each, which add up to the mean of what they predict; or of who
    interacted with what, to rank a whole catalogue or a log without ratings."""
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
        return self.shared_out(self.dim_emb - bool(self.popularity))

    def shared_out(self, free: int) -> dict[str, int]:
        """How `free` coordinates are divided among the factorisations."""
        if self.embedding == "both":
            return {"variational": free // 2, "pmf": free - free // 2}
        return {self.embedding: free}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContentConfig:
    """What items are known by beside their id."""

    modality: str = ""
    """Any of video, audio and text, joined by commas; '' knows items by id alone."""
    fusion: Literal["early", "late", "gated"] = "early"
    """Pool modalities, then one dense layer; a dense layer each, then pool; or attend and gate."""
    aggregation: Literal["concat", "mean"] | None = None
    """How a fusion pools; by default concat, and mean where gated, which knows no other."""
    identity: Literal["prior", "half", "none"] = "prior"
    """How content joins the ids: it says where an item starts from and ratings move it; half of the
    coordinates are each one's; or ids play no part, but for items without content."""
    encoder: Literal["frozen", "finetuned"] = "frozen"
    """Whether the critic's loss goes on training the item encoder."""
    dropout: float = 0.7
    """Share of the features dropped while the item encoder is pre-trained. [0 to 1)"""
    lr_content: float = 1e-3
    """Learning rate of that pre-training. [> 0]"""

    def __post_init__(self) -> None:
        names = self.modalities
        if unknown := sorted(set(names) - set(MODALITIES)):
            raise InputError(
                f"Expected `modality` to be of {', '.join(MODALITIES)}, joined by commas. "
                f"Received: {', '.join(unknown)}."
            )
        if len(set(names)) < len(names):
            raise InputError(f"Expected each modality once. Received: {self.modality!r}.")
        if self.fusion == "gated" and self.aggregation == "concat":
            raise InputError(
                "Expected `aggregation` mean with fusion gated, which weighs modalities and adds "
                "them up. Received: concat. Leave the flag out, or choose early or late."
            )
        if not 0 <= self.dropout < 1:
            raise InputError(f"`dropout` must be in [0, 1). Received: {self.dropout}.")
        if self.lr_content <= 0:
            raise InputError(f"`lr_content` must be above 0. Received: {self.lr_content}.")

    @property
    def modalities(self) -> tuple[str, ...]:
        """Their names, in the order given."""
        return tuple(name.strip() for name in self.modality.split(",") if name.strip())
