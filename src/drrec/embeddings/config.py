"""Settings of pre-training; apart from it, so that `--help` need not load TensorFlow."""

from __future__ import annotations

import dataclasses
import itertools
import typing
from typing import TYPE_CHECKING, Any, Literal

from drrec.errors import InputError
from drrec.ranges import check_ranges
from drrec.registry import FUSIONS, FusionName, check_choices
from drrec.types import MODALITIES

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    refit: bool = False
    """Fit items' vectors anew around their mean, with a prior no narrower than ratings call for, as
    is always done where content says where an item starts from."""
    held_out: float = 0.2
    """Share of each user's training ratings, the latest, that sessions hand out to an agent whose
    vectors have not seen them; 0: vectors know all that is handed out, as in the paper. [0 to 1)"""

    def __post_init__(self) -> None:
        check_choices(self)
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
        check_ranges(self, {"[0, inf)": ("popularity",)})

    def widths(self) -> dict[str, int]:
        """How many coordinates each factorisation gets."""
        return self.shared_out(self.dim_emb - bool(self.popularity))

    def shared_out(self, free: int) -> dict[str, int]:
        """How `free` coordinates are divided among the factorisations."""
        if self.embedding == "both":
            return {"variational": free // 2, "pmf": free - free // 2}
        return {self.embedding: free}


Aggregation = Literal["concat", "mean"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """How content joins the ids, and how its encoder is trained, whatever it fuses."""

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
        check_choices(self)
        check_ranges(self, {"[0, 1)": ("dropout",), "(0, inf)": ("lr_content",)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContentConfig(EncoderConfig):
    """What items are known by beside their id."""

    modality: str = ""
    """Any of video, audio and text, joined by commas; '' knows items by id alone."""
    fusion: FusionName = "early"
    """Pool modalities, then one dense layer; a dense layer each, then pool; or attend and gate."""
    aggregation: Aggregation | None = None
    """How a fusion pools; by default concat, and mean where gated, which knows no other."""

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
    """What to compare."""

    modality: str = "video,audio,text"
    """Modalities, joined by commas: every subset of them is tried."""
    fusion: str = "early,late"
    """Fusions, joined by commas: early, late, gated, and those of plug-ins."""
    aggregation: str = "concat,mean"
    """Ways of pooling, joined by commas, of concat and mean; gated knows mean alone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.variants():
            raise InputError(
                f"Expected something to compare. Received: modality {self.modality!r}, fusion "
                f"{self.fusion!r}, aggregation {self.aggregation!r}. gated pools by mean."
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
        raise InputError(f"Expected each {name} once. Received: {given!r}.")
    return words
