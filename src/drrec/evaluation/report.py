"""The table, `report.md` and the files of a run's report."""

from __future__ import annotations

import math
import pathlib
from typing import TYPE_CHECKING, Any

from drrec.evaluation.details import costs, details, off_policy
from drrec.evaluation.gains import gains_text
from drrec.evaluation.longform import write_long
from drrec.evaluation.markdown import MISSING, grid, p_value, short, with_interval
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.protocols.session import BOUNDS
from drrec.files import write_json, write_text

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from drrec.evaluation.protocols.protocol import Protocol


def table(content: Mapping[str, Any], protocol: str) -> str:
    """A Markdown table that also reads well on a console, and notes that say what it shows.

    Args:
        content: what `summary.summarised` gives, or what is read from `metrics.json`.
        protocol: which of its protocols.
    """
    methods = content["protocols"][protocol]
    judged = protocol_of(protocol)
    columns = [name for name in judged.shown if name in next(iter(methods.values()))]
    best = {metric: _best(methods, metric, judged) for metric in columns}
    rows = [["method", *columns]]
    for name, cells in methods.items():
        rows.append([name, *(_cell(cells[metric], best[metric]) for metric in columns)])
    return "\n".join([*grid(rows), "", *_notes(content, protocol, columns)])


def report_text(content: Mapping[str, Any], figures: Collection[str] = ()) -> str:
    """`report.md`: every protocol's table and its details, then the figures by file name."""
    parts = [f"# {content['dataset']}, {content['split']} split"]
    parts += [f"**Warning.** {warning}" for warning in content.get("warnings", [])]
    if blend := content.get("blend"):
        agent, weights = blend["agent"], blend["weights"]
        others = [f"{weight:.0%} those of {name}" for name, weight in weights.items()]
        parts.append(
            f"**Blend.** The scores of {agent} are {1 - sum(weights.values()):.0%} its own and "
            f"{' and '.join(others)}, each scaled by its spread; {agent}_alone is the agent by "
            "itself."
        )
    for protocol in content["protocols"]:
        parts += [f"## Protocol `{protocol}`", table(content, protocol)]
        parts += details(content, protocol)
    if "off_policy" in content:
        parts += ["## Off-policy estimates", off_policy(content["off_policy"])]
    if "content_added" in content:
        parts += ["## What content adds", gains_text(content)]
    if encoders := content.get("encoders"):
        lines = [f"- {name}: {encoder}" for name, encoder in encoders.items()]
        parts += ["## What the features were made by", "\n".join(lines)]
    if "made_by" in content:
        parts += ["## What it took", costs(content["made_by"]["costs"])]
    parts += [f"![{pathlib.PurePath(name).stem}]({name})" for name in figures]
    return "\n\n".join(parts) + "\n"


def write_report(
    run: str | os.PathLike[str],
    content: Mapping[str, Any],
    training: Mapping[str, Sequence[float]] | None = None,
) -> None:
    """Write `metrics.json`, `report.md`, its tables as CSV and its figures into a run's folder.

    Args:
        run: the folder.
        content: what `summary.summarised` gives.
        training: the columns of `training.csv`, to draw as curves.
    """
    # Importing matplotlib takes longer than most commands need in all.
    from drrec.evaluation.figures import save_curves, save_gains, save_intervals

    run = pathlib.Path(run)
    figures = []
    for protocol in content["protocols"]:
        figures.append(f"{protocol}.png")
        save_intervals(content, protocol, run / figures[-1])
        write_long(run / f"{protocol}.csv", content["protocols"][protocol])
        if lists := content.get("beyond", {}).get(protocol):
            write_long(run / f"{protocol}-beyond.csv", lists)
    if "content_added" in content:
        figures.append("content.png")
        save_gains(content["content_added"], run / figures[-1])
    if training:
        figures.append("training.png")
        save_curves(training, run / figures[-1])
    write_text(run / "report.md", report_text(content, figures))
    write_json(run / "metrics.json", content)


def _best(methods: Mapping[str, Any], metric: str, protocol: Protocol) -> str:
    means = [cells[metric]["mean"] for name, cells in methods.items() if name not in BOUNDS]
    known = [mean for mean in means if mean is not None and math.isfinite(mean)]
    best = max if protocol.higher_is_better(metric) else min
    return short(best(known, default=None))


def _cell(cell: Mapping[str, Any], best: str) -> str:
    mean = short(cell["mean"])
    return with_interval(cell, f"**{mean}**" if mean == best != MISSING else mean)


def _notes(content: Mapping[str, Any], protocol: str, columns: Sequence[str]) -> Iterator[str]:
    methods = content["protocols"][protocol]
    num_users = max(cells[columns[0]]["num_users"] for cells in methods.values())
    seeds = content.get("seeds", [content["seed"]])
    named = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    source = f"{content['dataset']}, {content['split']} split, `{protocol}`"
    yield f"{source}, {num_users} users, {named}."
    deviation = " ± standard deviation over seeds" if len(seeds) > 1 else ""
    yield f"Mean{deviation} [95 % bootstrap interval over users]; the best mean is bold."
    if less := [name for name in columns if not protocol_of(protocol).higher_is_better(name)]:
        yield f"Less is better of {', '.join(less)}."
    if level := content.get("chance", {}).get(protocol):
        shares = ", ".join(f"{metric} {short(level[metric])}" for metric in columns)
        yield f"A random order is expected to reach {shares}."
    if protocol == "simulator" and (agreed := content.get("agreement")):
        yield (
            "The judges agree on the methods' order by Kendall's τ = "
            f"{short(agreed['kendall_tau'])}, and on a method's users by a mean correlation of "
            f"{short(agreed['pearson'])}."
        )
    for name, top in content.get("ceiling", {}).get(protocol, {}).items():
        yield (
            f"{name} re-ranks {top['k']} items that {top['proposer']} proposes to each user, whose "
            f"own recall@{top['k']}, {short(top['recall'])}, is the ceiling."
        )
    for name, cells in methods.items():
        tested = {metric: cells[metric] for metric in columns if "p_value" in cells[metric]}
        if tested:
            versus = next(iter(tested.values()))["versus"]
            shares = ", ".join(f"{m} {_p(cell['p_value'])}" for m, cell in tested.items())
            yield (
                f"{name} against {versus}, the best baseline by {protocol_of(protocol).primary} "
                f"(paired permutation test): {shares}."
            )


def _p(value: float | None) -> str:
    text = p_value(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
