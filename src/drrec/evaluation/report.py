"""The table, `report.md` and the files of a run's report."""

from __future__ import annotations

import math
import pathlib
from typing import TYPE_CHECKING, Any

from drrec.evaluation.gains import gains_text
from drrec.evaluation.protocol import PRIMARY_METRICS, TABLE_METRICS
from drrec.evaluation.session import BOUNDS
from drrec.evaluation.summary import split_of
from drrec.files import write_json, write_text

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterator, Mapping, Sequence

MISSING = "–"


def table(content: Mapping[str, Any], protocol: str) -> str:
    """A Markdown table that also reads well on a console, and notes that say what it shows.

    Args:
        content: what `summary.summarised` gives, or what is read from `metrics.json`.
        protocol: which of its protocols.
    """
    methods = content["protocols"][protocol]
    columns = [name for name in TABLE_METRICS[protocol] if name in next(iter(methods.values()))]
    best = {metric: _best(methods, metric) for metric in columns}
    rows = [["method", *columns]]
    for name, cells in methods.items():
        rows.append([name, *(_cell(cells[metric], best[metric]) for metric in columns)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:], "", *_notes(content, protocol, columns)])


def report_text(content: Mapping[str, Any], figures: Collection[str] = ()) -> str:
    """`report.md`: every protocol's table, then the figures by file name."""
    parts = [f"# {content['dataset']}, {content['split']} split"]
    for protocol in content["protocols"]:
        parts += [f"## Protocol `{protocol}`", table(content, protocol)]
    if "content_added" in content:
        parts += ["## What content adds", gains_text(content)]
    if encoders := content.get("encoders"):
        lines = [f"- {name}: {encoder}" for name, encoder in encoders.items()]
        parts += ["## What the features were made by", "\n".join(lines)]
    parts += [f"![{pathlib.PurePath(name).stem}]({name})" for name in figures]
    return "\n\n".join(parts) + "\n"


def write_report(
    run: str | os.PathLike[str],
    content: Mapping[str, Any],
    training: Mapping[str, Sequence[float]] | None = None,
) -> None:
    """Write `metrics.json`, `report.md` and their figures into the folder of a run.

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
    if "content_added" in content:
        figures.append("content.png")
        save_gains(content["content_added"], run / figures[-1])
    if training:
        figures.append("training.png")
        save_curves(training, run / figures[-1])
    write_text(run / "report.md", report_text(content, figures))
    write_json(run / "metrics.json", content)


def short(value: float | None, digits: int = 3) -> str:
    """`.743` for 0.743: the zero before the point says nothing in a table of shares."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:.{digits}f}"
    return text.removeprefix("0") if 0 <= value < 1 else text


def _best(methods: Mapping[str, Any], metric: str) -> str:
    means = [cells[metric]["mean"] for name, cells in methods.items() if name not in BOUNDS]
    known = [mean for mean in means if mean is not None and math.isfinite(mean)]
    return short(max(known, default=None))


def _cell(cell: Mapping[str, Any], best: str) -> str:
    mean = short(cell["mean"])
    shown = f"**{mean}**" if mean == best != MISSING else mean
    seeds = f" ± {short(cell['std'])}" if "std" in cell else ""
    return f"{shown}{seeds} [{short(cell['low'])}, {short(cell['high'])}]"


def _notes(content: Mapping[str, Any], protocol: str, columns: Sequence[str]) -> Iterator[str]:
    methods = content["protocols"][protocol]
    num_users = max(cells[columns[0]]["num_users"] for cells in methods.values())
    seeds = content.get("seeds", [content["seed"]])
    named = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    source = f"{content['dataset']}, {split_of(content, protocol)} split, `{protocol}`"
    yield f"{source}, {num_users} users, {named}."
    deviation = " ± standard deviation over seeds" if len(seeds) > 1 else ""
    yield f"Mean{deviation} [95 % bootstrap interval over users]; the best mean is bold."
    if level := content.get("chance", {}).get(protocol):
        shares = ", ".join(f"{metric} {short(level[metric])}" for metric in columns)
        yield f"A random order is expected to reach {shares}."
    for name, cells in methods.items():
        tested = {metric: cells[metric] for metric in columns if "p_value" in cells[metric]}
        if tested:
            versus = next(iter(tested.values()))["versus"]
            shares = ", ".join(f"{m} {_p_value(cell['p_value'])}" for m, cell in tested.items())
            yield (
                f"{name} against {versus}, the best baseline by {PRIMARY_METRICS[protocol]} "
                f"(paired permutation test): {shares}."
            )


def _p_value(value: float | None) -> str:
    return "p < .001" if value is not None and value < 0.001 else f"p = {short(value)}"
