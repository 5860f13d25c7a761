"""PNG figures of a report. matplotlib's object interface: no display, no global state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from drrec.evaluation.protocols.protocol import protocol_of
from drrec.files import replaced

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from drrec.evaluation.result import Cells

PANELS_PER_ROW = 3
STEP_COLUMNS = ("step", "env_steps", "steps")
"""The first of these among the columns of a training log is the horizontal axis."""


def save_intervals(content: Mapping[str, Any], protocol: str, path: str | os.PathLike[str]) -> None:
    """A panel per metric, a row per method, with its interval; dashed is a random order.

    Points and not bars: bars have to start at zero, where good methods all look alike.

    Args:
        content: what `summary.summarised` gives, or what is read from `metrics.json`.
        protocol: which of its protocols.
        path: the PNG to write, whole or not at all.
    """
    level = content.get("chance", {}).get(protocol, {})
    figure = intervals(content["protocols"][protocol], protocol_of(protocol).shown, level)
    figure.suptitle(f"{content['dataset']}, {content['split']} split, {protocol}")
    _save(figure, path)


def intervals(
    methods: Mapping[str, Cells], shown: Sequence[str], level: Mapping[str, float | None]
) -> Figure:
    """The figure of `save_intervals`.

    Args:
        methods: cells by method and metric.
        shown: the metrics that have a panel.
        level: by metric, what a random order is expected to reach, where that is known.
    """
    columns = [name for name in shown if name in next(iter(methods.values()))]
    figure, panels = _panels(len(columns), list(methods))
    for axes, metric in zip(panels, columns, strict=True):
        _draw(axes, [cells[metric] for cells in methods.values()])
        if (expected := level.get(metric)) is not None:
            axes.axvline(expected, color="gray", linestyle="dashed")
        axes.set_title(metric)
    return figure


def save_gains(added: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """What content adds: a panel per protocol, a row per method, with its interval; 0 is nothing.

    Args:
        added: what `gains.gains` gives.
        path: the PNG to write, whole or not at all.
    """
    methods = added["methods"]
    protocols = list(next(iter(methods.values())))
    figure, panels = _panels(len(protocols), list(methods))
    for axes, protocol in zip(panels, protocols, strict=True):
        metric = protocol_of(protocol).primary
        _draw(axes, [found[protocol][metric] for found in methods.values()])
        axes.axvline(0, color="gray", linestyle="dashed")
        axes.set_title(f"{protocol}: {metric}")
        axes.set_xlabel(f"above {added['versus']}")
    _save(figure, path)


def _panels(number: int, methods: Sequence[str]) -> tuple[Figure, Sequence[Axes]]:
    """Side by side, the methods from the top down."""
    size = (1.5 + 3.2 * number, 1.4 + 0.3 * len(methods))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, number, squeeze=False, sharey=True)[0]
    for axes in panels:
        axes.set_yticks(np.arange(len(methods))[::-1], methods)
        axes.set_ylim(-0.7, len(methods) - 0.3)
        axes.grid(axis="x", alpha=0.3)
    return figure, panels


def _draw(axes: Axes, cells: Sequence[Mapping[str, Any]]) -> None:
    """A point with whiskers for each method's cell."""
    mean, low, high = (
        np.array([cell[key] for cell in cells], float) for key in ("mean", "low", "high")
    )
    whiskers = np.maximum([mean - low, high - mean], 0)
    places = np.arange(len(cells))[::-1]
    axes.errorbar(mean, places, xerr=whiskers, fmt="o", markersize=5, capsize=2)
    axes.locator_params(axis="x", nbins=5)


def save_curves(columns: Mapping[str, Sequence[float]], path: str | os.PathLike[str]) -> None:
    """One panel per column of a training log; gaps (NaN) are skipped.

    Args:
        columns: numbers by name, all of one length; one of `STEP_COLUMNS` is the horizontal axis,
            or else the row number.
        path: the PNG to write, whole or not at all.
    """
    axis = next((name for name in STEP_COLUMNS if name in columns), "row")
    drawn = {name: np.asarray(column, float) for name, column in columns.items() if name != axis}
    length = max(map(len, drawn.values()), default=0)
    steps = np.asarray(columns.get(axis, np.arange(length)), float)
    num_rows = max(1, -(-len(drawn) // PANELS_PER_ROW))
    figure = Figure(figsize=(4 * PANELS_PER_ROW, 2.5 * num_rows), layout="constrained")
    for index, (name, column) in enumerate(drawn.items()):
        panel = figure.add_subplot(num_rows, PANELS_PER_ROW, index + 1)
        known = np.isfinite(column)
        panel.plot(steps[known], column[known], linewidth=1)
        panel.set_title(name, fontsize="medium")
        panel.set_xlabel(axis)
        panel.grid(alpha=0.3)
    _save(figure, path)


def _save(figure: Figure, path: str | os.PathLike[str]) -> None:
    FigureCanvasAgg(figure)
    with replaced(path) as side:
        figure.savefig(side, format="png", dpi=120)
