"""Beyond accuracy: what the methods' lists are like, and how well some of them predict ratings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.evaluation.lists import coverage, diversity, gini, novelty
from drrec.evaluation.protocols.candidates import LIST_LENGTH
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.result import cells_of
from drrec.evaluation.statistics import ratio_interval, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drrec.evaluation.calibration import Errors
    from drrec.evaluation.result import Background, Cells, Evaluation

COVERAGE, GINI, NOVELTY, DIVERSITY = (
    f"{name}@{LIST_LENGTH}" for name in ("coverage", "gini", "novelty", "diversity")
)


_IN_POINTS: dict[str, Callable[[float], float]] = {"rmse": math.sqrt, "mae": float}
"""What turns mean squared and mean absolute errors into points of rating."""


def beyond(found: Evaluation, protocol: str) -> dict[str, Cells]:
    """What the lists of each method under a protocol are like.

    Coverage and Gini, of all users' lists at once, have no interval: drawing users again with
    replacement draws fewer different lists, which always cover less. Neither has the calibration
    error, which chance can only raise.

    Args:
        found: what was measured, with a `background`.
        protocol: one of its whose lists were kept.

    Returns:
        `{method: {metric: cell}}`, cells as in `result.cells_of`; methods without lists, which
        are not asked for any, are left out.
    """
    cells: dict[str, Cells] = {}
    for method in found.cube(protocol).methods:
        lists = found.by_seed(found.lists, protocol, method)
        if found.background is None or not lists:
            continue
        cells[method] = _of_all(lists, found.background) | _of_each(lists, found.background)
        errors = found.by_seed(found.errors, method)
        if protocol_of(protocol).predicts_ratings and errors:
            cells[method] |= _of_ratings(errors)
    return cells


def _of_all(by_seed: Sequence[np.ndarray], back: Background) -> Cells:
    return {
        name: _without_interval(
            [measure(lists, back.train.num_items) for lists in by_seed], len(by_seed[0])
        )
        for name, measure in ((COVERAGE, coverage), (GINI, gini))
    }


def _of_each(by_seed: Sequence[np.ndarray], back: Background) -> Cells:
    num_users = int((back.train.counts() > 0).sum())
    columns = {NOVELTY: [novelty(lists, back.num_raters, num_users) for lists in by_seed]}
    if back.vectors is not None:
        columns[DIVERSITY] = [diversity(lists, back.vectors) for lists in by_seed]
    values = np.stack([np.stack(column) for column in columns.values()], axis=2)  # [S, U, M]
    return cells_of(values, list(columns))


def _of_ratings(errors: Sequence[Errors]) -> Cells:
    num_ratings = np.stack([each.num_ratings for each in errors]).astype(float)  # [S, U]
    count = np.stack([num_ratings] * 2, axis=2)
    total = np.stack([[each.squared, each.absolute] for each in errors])  # [S, 2, U]
    total = total.transpose(0, 2, 1)  # [S, U, 2]
    over_users = ratio_interval(total.mean(axis=0)[None], count.mean(axis=0)[None])
    over_both = ratio_interval(total, count)
    cells: Cells = {}
    for m, (name, points) in enumerate(_IN_POINTS.items()):
        cell = _without_interval([getattr(each, name) for each in errors], total.shape[1])
        cell |= {key: points(column[m]) for key, column in over_users._asdict().items()}
        if len(errors) > 1:
            cell["low_seeds"] = points(over_both.low[m])
            cell["high_seeds"] = points(over_both.high[m])
        cells[name] = cell
    cells["ece"] = _without_interval([each.calibration for each in errors], total.shape[1])
    return cells


def _without_interval(by_seed: Sequence[float], num_users: int) -> dict[str, Any]:
    cell: dict[str, Any] = {"mean": float(np.mean(by_seed)), "low": np.nan, "high": np.nan}
    if len(by_seed) > 1:
        cell["std"] = float(spread(np.array(by_seed)[:, None])[0])
    return cell | {"num_users": num_users}
