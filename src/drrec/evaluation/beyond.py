"""Beyond accuracy: what the methods' lists are like, and how well some of them predict ratings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.evaluation.lists import coverage, diversity, gini, novelty
from drrec.evaluation.protocols.candidates import LIST_LENGTH
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.results import cells_of
from drrec.evaluation.statistics import ratio_interval, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drrec.evaluation.calibration import Errors
    from drrec.evaluation.results import Background, Cells, Results

COVERAGE, GINI, NOVELTY, DIVERSITY = (
    f"{name}@{LIST_LENGTH}" for name in ("coverage", "gini", "novelty", "diversity")
)


_IN_POINTS: dict[str, Callable[[float], float]] = {"rmse": math.sqrt, "mae": float}
"""What turns mean squared and mean absolute errors into points of rating."""


def beyond(results: Sequence[Results], protocol: str) -> dict[str, Cells]:
    """What the lists of each method under a protocol are like.

    Coverage and Gini, of all users' lists at once, have no interval: drawing users again with
    replacement draws fewer different lists, which always cover less. Neither has the calibration
    error, which chance can only raise.

    Args:
        results: one for each seed, each with a `background`.
        protocol: one of theirs whose lists were kept.

    Returns:
        `{method: {metric: cell}}`, cells as in `results.cells_of`; methods without lists, which
        are not asked for any, are left out.
    """
    found: dict[str, Cells] = {}
    for method, first in results[0].protocols[protocol].items():
        if first.lists is None:
            continue
        kept = [(each.background, each.protocols[protocol][method].lists) for each in results]
        pairs = [(back, lists) for back, lists in kept if back is not None and lists is not None]
        found[method] = _of_all(pairs) | _of_each(pairs)
        errors = [back.errors[method] for back, _ in pairs if method in back.errors]
        if protocol_of(protocol).predicts_ratings and len(errors) == len(results):
            found[method] |= _of_ratings(errors)
    return found


def _of_all(pairs: Sequence[tuple[Background, np.ndarray]]) -> Cells:
    num_users = len(pairs[0][1])
    return {
        name: _without_interval(
            [measure(lists, back.train.num_items) for back, lists in pairs], num_users
        )
        for name, measure in ((COVERAGE, coverage), (GINI, gini))
    }


def _of_each(pairs: Sequence[tuple[Background, np.ndarray]]) -> Cells:
    columns = {
        NOVELTY: [
            novelty(lists, back.num_raters, int((back.train.counts() > 0).sum()))
            for back, lists in pairs
        ]
    }
    if all(back.vectors is not None for back, _ in pairs):
        columns[DIVERSITY] = [
            diversity(lists, back.vectors) for back, lists in pairs if back.vectors is not None
        ]
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
