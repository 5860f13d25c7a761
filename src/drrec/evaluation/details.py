"""What a report says below each protocol's table: comparisons, lists, slices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from drrec.evaluation.markdown import (
    MISSING,
    grid,
    p_value,
    plain,
    rounded,
    short,
    signed,
    with_interval,
)
from drrec.evaluation.offpolicy import ESTIMATORS
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.summary import baselines_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NUM_SHOWN = 3
"""The best baselines that are shown; `metrics.json` has all."""

_SLICED_BY = {
    "history_length": "how many ratings of the user were learned from",
    "item_popularity": "how many users the relevant items had in training",
}


def details(content: Mapping[str, Any], protocol: str) -> list[str]:
    """The parts in Markdown, headings included; those that `content` does not have are left out.

    Args:
        content: what `summary.summarised` gives, or what is read from `metrics.json`.
        protocol: which of its protocols.
    """
    parts = []
    if comparison := content.get("comparisons", {}).get(protocol):
        parts += ["### Agents against baselines", _comparisons(comparison)]
    if lists := content.get("beyond", {}).get(protocol):
        parts += ["### Beyond accuracy", _beyond(lists)]
    if sliced := content.get("slices", {}).get(protocol):
        tables = [
            _slices(content, protocol, sliced["metric"], name, sliced[name])
            for name in _SLICED_BY
            if name in sliced
        ]
        parts += ["### By thirds", *tables] if tables else []
    return parts


def off_policy(methods: Mapping[str, Mapping[str, Any]]) -> str:
    """The table of what the log says of each method's own choices, and how far to trust it."""
    rows = [["method", *ESTIMATORS, "effective sample", "overlap", "mean weight"]]
    for name, said in methods.items():
        estimates = [with_interval(said[kind]) if kind in said else MISSING for kind in ESTIMATORS]
        trust = (rounded(said["effective_sample"]), short(said["overlap"], 2))
        rows.append([name, *estimates, *trust, short(said.get("mean_weight"), 2)])
    notes = (
        "The mean reward, (rating − 3) / 2, of what a softmax over each method's scores would "
        "show, were the log made by popularity. Indicative at best: where the mean weight is far "
        "from 1 it was not, and where the log is too thin (effective sample below 1,000 or overlap "
        "below .8) nothing is said."
    )
    return "\n".join([*grid(rows), "", notes])


def costs(methods: Mapping[str, Mapping[str, Any]]) -> str:
    """The table of what each method took, of `made_by["costs"]` in `metrics.json`."""
    rows = [["method", "fit (s)", "scoring (s)", "peak memory (MB)"]]
    for name, cost in methods.items():
        scoring = cost["scoring"].values()
        seconds = [each["seconds"] for each in scoring]
        memory = [each["peak_memory"] for each in (cost["fit"], *scoring)]
        known = [each for each in memory if each is not None and math.isfinite(each)]
        most = max(known, default=math.nan) / 1e6
        rows.append([name, plain(cost["fit"]["seconds"]), plain(sum(seconds)), rounded(most)])
    notes = (
        "Seconds by the clock, the mean over seeds; scoring is of all users under all protocols. "
        "Memory is what the whole process held at most meanwhile, TensorFlow and data included, "
        "on the host alone."
    )
    return "\n".join([*grid(rows), "", notes])


def _comparisons(comparison: Mapping[str, Any]) -> str:
    agents = comparison["agents"]
    rows = [["agent", "baseline", "difference", "p", "p (Holm)", "d_z", "better for"]]
    over = "over users"
    for agent, baselines in agents.items():
        for baseline, cell in list(baselines.items())[:NUM_SHOWN]:
            low, high = cell["low"], cell["high"]
            if "low_seeds" in cell:
                low, high, over = cell["low_seeds"], cell["high_seeds"], "over users and seeds"
            difference = f"{signed(cell['mean'])} [{signed(low)}, {signed(high)}]"
            tests = (p_value(cell["p_value"]), p_value(cell["p_holm"]))
            effects = (signed(cell["d_z"], 2), short(cell["superiority"], 2))
            rows.append([agent, baseline, difference, *tests, *effects])
    pairs = [cell for baselines in agents.values() for cell in baselines.values()]
    notes = (
        f"Difference in {comparison['metric']} [95 % bootstrap interval {over}], and p of a paired "
        f"permutation test over users; Holm's correction is for all {len(pairs)} pairs of an agent "
        "and a baseline under this protocol. d_z: the mean of the users' differences in their "
        "standard deviations. Better for: the share of users for whom the agent is better, equals "
        f"counting half. {_which(len(pairs), len(rows) - 1)}"
    )
    return "\n".join([*grid(rows), "", notes.strip()])


def _which(total: int, shown: int) -> str:
    if total == shown:
        return ""
    return f"Shown are the {NUM_SHOWN} best baselines; `metrics.json` has all."


def _beyond(lists: Mapping[str, Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for cells in lists.values() for name in cells))
    rows = [["method", *columns]]
    for method, cells in lists.items():
        rows.append(
            [method, *(with_interval(cells[m]) if m in cells else MISSING for m in columns)]
        )
    notes = (
        "Of the first ten items of each user's ranking. Coverage: the share of the catalogue on "
        "any list; Gini: how unequally items are shown, 0 if all alike; novelty: bits of surprise, "
        "by how few users had an item; diversity: 1 − the mean cosine of two items of a list. More "
        "is not better by itself."
    )
    if "rmse" in columns:
        notes += " Errors of predicted ratings are in points of rating; ece: of calibration."
    return "\n".join([*grid(rows), "", notes])


def _slices(
    content: Mapping[str, Any], protocol: str, metric: str, name: str, by: Mapping[str, Any]
) -> str:
    bounds = [_range(group["least"], group["most"]) for group in by["groups"]]
    shown = [method for method in _shown(content, protocol) if method in by["methods"]]
    rows = [["method", *bounds]]
    for method in shown:
        rows.append([method, *map(with_interval, by["methods"][method])])
    num_users = ", ".join(str(cell["num_users"]) for cell in by["methods"][shown[0]])
    notes = f"{metric} by {_SLICED_BY[name]}; {num_users} users."
    return "\n".join([*grid(rows), "", notes])


def _shown(content: Mapping[str, Any], protocol: str) -> Sequence[str]:
    """All agents, then the best baselines."""
    agents = content.get("comparisons", {}).get(protocol, {}).get("agents", {})
    methods = content["protocols"][protocol]
    best = baselines_by(methods, protocol_of(protocol), agents)
    return [*agents, *best[:NUM_SHOWN]]


def _range(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"
