"""Settings of pre-training; apart from it, so that `--help` need not load TensorFlow."""

from __future__ import annotations

import dataclasses
import itertools
import typing
from typing import TYPE_CHECKING, Any, Literal, Self

from drrec.errors import InputError, shown
from drrec.ranges import check_ranges
from drrec.registry import FUSIONS, FusionName, check_choices
from drrec.types import MODALITIES

if TYPE_CHECKING:
    from collections.abc import Sequence

HELD_OUT = 0.2
"""Share of each user's latest ratings that logged sessions show, by default."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmbeddingConfig:
    """Pre-training of user and item embeddings."""

    embedding: Literal["both", "variational", "pmf", "implicit"] = "both"
    """Matrix factorisation that pre-trains embeddings.
    variational: variational Bayes on ratings; pmf: PMF on ratings, as in the paper;
    both: half of the dimensions each; implicit: on implicit feedback."""
    dim_emb: int = 33
    """D, embedding dimension. [2 to 65,536]"""
    popularity: float = 0.3
    """Weight of an extra dimension, the standardised log popularity; 0 is none. [>= 0]"""
    popularity_prior: float = 0.0
    """Weight of popularity in the scores that training starts from; 1 is as much as all else has.
    For logs too sparse for more. [0 to 100]"""
    refit: bool = False
    """Refit item embeddings under a Gaussian prior centred on their mean.
    Always done with --identity prior."""
    unobserved_weight: float | None = None
    """Implicit factorisation: weight of a pair without interaction, beside 1 for one with.
    By default 0.3, or 30 times the log's density where that is less. (0 to 10]"""
    embedding_l2: float = 0.01
    """Implicit factorisation: L2 penalty, for each unit of weight in a row. [0 to 10]"""
    noise_precision: float = 1.2
    """Variational factorisation: 1 / variance of a rating around its expectation, in stars².
    (0 to 1000]"""
    held_out: float | None = None
    """Share of each user's latest training ratings that embeddings are not fitted on.
    0: embeddings are fitted on all ratings, as in the paper. [0 to 1)
    By default 0.2 in logged sessions, which show these ratings, and 0 in others."""

    def __post_init__(self) -> None:
        check_choices(self)
        if min(self.widths().values()) < 2:
            raise InputError(
                "`dim_emb` must leave each factorisation at least 2 coordinates, beside the one "
                f"for popularity if there is one. Received: {self.dim_emb}."
            )
        if self.held_out is not None and not 0 <= self.held_out < 1:
            raise InputError(
                f"`held_out` must be in [0, 1). Received: {self.held_out}. "
                "Sessions hand out a share of the training ratings, not all."
            )
        check_ranges(
            self,
            {
                "[0, inf)": ("popularity",),
                "[2, 65536]": ("dim_emb",),
                "(0, 10]": ("unobserved_weight",),
                "[0, 10]": ("embedding_l2",),
                "[0, 100]": ("popularity_prior",),
                "(0, 1000]": ("noise_precision",),
            },
        )

    def in_sessions(self, sessions: str) -> Self:
        """With the default of `held_out` for these sessions, if it was not set.

        A world that pays for any item hands out no ratings of the log; and what an agent learned on
        the vectors of a prefix fit is worth less on those of the final one.
        """
        if self.held_out is not None:
            return self
        return dataclasses.replace(self, held_out=HELD_OUT if sessions == "logged" else 0.0)

    @property
    def has_popularity(self) -> bool:
        """Whether one dimension is popularity's."""
        return bool(self.popularity or self.popularity_prior)

    def widths(self) -> dict[str, int]:
        """How many coordinates each factorisation gets."""
        return self.shared_out(self.dim_emb - self.has_popularity)

    def shared_out(self, free: int) -> dict[str, int]:
        """How `free` coordinates are divided among the factorisations."""
        if self.embedding == "both":
            return {"variational": free // 2, "pmf": free - free // 2}
        return {self.embedding: free}


Aggregation = Literal["concat", "mean"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Combination of content and ids, and training of the item encoder."""

    identity: Literal["prior", "half", "none"] = "prior"
    """How content and ids are combined.
    prior: content gives the prior mean, ratings update it; half: half of the dimensions each;
    none: content only, except for items without content."""
    encoder: Literal["frozen", "finetuned"] = "frozen"
    """frozen: the item encoder is pre-trained only; finetuned: the critic's loss trains it, too."""
    dropout: float = 0.7
    """Dropout rate of the features while the item encoder is pre-trained. [0 to 1)"""
    lr_content: float = 1e-3
    """Learning rate of the item encoder's pre-training. [> 0]"""
    contrast: float = 0.0
    """Weight of content vectors by contrast, in a part of their own beside the others; 0 is none,
    1 as much as the others. [0 to 100]"""

    def __post_init__(self) -> None:
        check_choices(self)
        check_ranges(
            self, {"[0, 1)": ("dropout",), "(0, inf)": ("lr_content",), "[0, 100]": ("contrast",)}
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContentConfig(EncoderConfig):
    """Content features of the items."""

    modality: str = ""
    """Any of video, audio and text, joined by commas; '' uses ids only."""
    fusion: FusionName = "early"
    """early: pool the modalities, then one dense layer; late: a dense layer each, then pool;
    gated: attention and gates."""
    aggregation: Aggregation | None = None
    """Pooling of the modalities; by default concat, or mean with gated, which needs it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        listed("modality", self.modality, MODALITIES)
        if self.fusion == "gated" and self.aggregation == "concat":
            raise InputError(
                "Expected `aggregation` mean with fusion gated, which weighs modalities and adds "
                "them up. Received: concat. Leave the flag out, or choose early or late."
            )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Their names, in the order given."""
        return listed("modality", self.modality, MODALITIES)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridConfig(EncoderConfig):
    """Variants to compare."""

    modality: str = "video,audio,text"
    """Modalities, joined by commas; every subset is trained."""
    fusion: str = "early,late"
    """Fusions, joined by commas: early, late, gated, and those of plug-ins."""
    aggregation: str = "concat,mean"
    """Poolings, joined by commas: concat, mean. gated supports mean only."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.variants():
            raise InputError(
                f"Expected something to compare. Received: modality {shown(self.modality)}, fusion "
                f"{shown(self.fusion)}, aggregation {shown(self.aggregation)}. gated pools by mean."
            )

    def variants(self) -> dict[str, ContentConfig]:
        """By a name for tables; a single modality is fused in the first way only.

        Raises:
            InputError: a name is unknown or there twice.
        """
        modalities = listed("modality", self.modality, MODALITIES)
        fusions = listed("fusion", self.fusion, tuple(FUSIONS))
        aggregations = listed("aggregation", self.aggregation, typing.get_args(Aggregation))
        ways: list[Any] = [
            (fusion, aggregation)
            for fusion in fusions
            for aggregation in aggregations
            if (fusion, aggregation) != ("gated", "concat")
        ]
        own: dict[str, Any] = {
            f.name: getattr(self, f.name) for f in dataclasses.fields(EncoderConfig)
        }
        return {
            " ".join(("+".join(chosen), *(way if size > 1 else ()))): ContentConfig(
                modality=",".join(chosen), fusion=way[0], aggregation=way[1], **own
            )
            for size in range(1, len(modalities) + 1)
            for chosen in itertools.combinations(modalities, size)
            for way in (ways if size > 1 else ways[:1])
        }


def listed(name: str, given: str, known: Sequence[str]) -> tuple[str, ...]:
    """The words of a list joined by commas, in the order given.

    Raises:
        InputError: one is unknown, or there twice.
    """
    words = tuple(word.strip() for word in given.split(",") if word.strip())
    if unknown := sorted(set(words) - set(known)):
        raise InputError(
            f"Expected `{name}` to be of {', '.join(known)}, joined by commas. "
            f"Received: {', '.join(unknown)}."
        )
    if len(set(words)) < len(words):
        raise InputError(f"Expected each {name} once. Received: {shown(given)}.")
    return words
