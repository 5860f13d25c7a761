"""What a report says first where an agent has learned no more than chance or popularity knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drrec.evaluation.markdown import short
from drrec.evaluation.protocols.protocol import protocol_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from drrec.experiment.config import TrainConfig

_LEVELS = {"random": "a random order", "popularity": "popularity"}
_CATALOGUE = ("full", "ranked", "sampled", "unmasked", "cold_items", "cold_users")
_SIGNIFICANT = 0.05


def advice(config: TrainConfig, content: Mapping[str, Any]) -> list[str]:
    """A sentence for each protocol under which the agent is not above a simple level.

    Args:
        config: of the run.
        content: what `summary.summarised` gives.

    Returns:
        What it is not significantly above (a paired permutation test with Holm's correction), the
        likely cause, and what to try; nothing where it is above both or neither was measured.
    """
    return list(_said(config, content))


def _said(config: TrainConfig, content: Mapping[str, Any]) -> Iterator[str]:
    for protocol, found in content["comparisons"].items():
        metric, cells = found["metric"], content["protocols"][protocol]
        against = found["agents"].get(config.algorithm, {})
        sign = 1 if protocol_of(protocol).higher_is_better(metric) else -1
        for level, words in _LEVELS.items():
            if level in against and not _is_better(against[level], sign):
                own, other = (cells[name][metric]["mean"] for name in (config.algorithm, level))
                yield (
                    f"{config.algorithm} is not significantly above {words} under {protocol} "
                    f"({metric} {short(own)}, {short(other)}). {_cause(config, protocol, level)}"
                )
                break


def _is_better(cell: Mapping[str, Any], sign: int) -> bool:
    return bool(cell["p_holm"] < _SIGNIFICANT and sign * cell["mean"] > 0)


def _cause(config: TrainConfig, protocol: str, level: str) -> str:
    implicit = config.vectors.embedding == "implicit"
    if protocol.startswith("cold_items") and not config.content.modality:
        return "It knows items by their ids, and those are new: give it content by --modality."
    if protocol in _CATALOGUE and not implicit:
        return (
            "Its embeddings are fitted to how items were rated, which says little of which are "
            "taken next: try --config whole_catalogue."
        )
    if level == "random" and implicit:
        weight = config.vectors.unobserved_weight
        now = "the default" if weight is None else f"{weight:g}"
        return (
            "Its embeddings may have shrunk to nothing, as they do where penalties outgrow a "
            f"sparse log: try a tenth of --unobserved-weight (now {now}) and of --embedding-l2."
        )
    if level == "random":
        return (
            "Its training may have diverged: try a tenth of --lr-actor, and look at training.png."
        )
    return (
        "The log may hold little beyond how popular items are: try --popularity-prior 1, fewer "
        "dimensions (--dim-emb), more ratings a user, or --auto."
    )
