"""Who is served well: a protocol's primary metric by thirds of the users and of the items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.evaluation.metrics import measured
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.protocols.rated import RELEVANT_FROM
from drrec.evaluation.result import cells_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drrec.data.interactions import Interactions
    from drrec.evaluation.result import Evaluation

NUM_SLICES = 3


def slices(found: Evaluation, protocol: str) -> dict[str, Any]:
    """A protocol's primary metric, by thirds.

    `history_length` divides the users by how many rows each has in `train`. `item_popularity`
    divides the relevant test items by how many users each has in `train`, and counts those of one
    third as relevant at a time, on the same lists; who has none of them has no value there. For
    methods without lists, and protocols without test items, the second is left out, as is either
    where there are not three groups to tell apart.

    Args:
        found: what was measured, with a `background`.
        protocol: one of its.

    Returns:
        `{"metric", "history_length": by, "item_popularity": by}`, each `by` being `{"groups":
        [{"least", "most"}, …], "methods": {method: [cell, …]}}` with the groups from the least to
        the most, and cells as in `result.cells_of`.
    """
    metric = protocol_of(protocol).primary
    by = {
        "history_length": _by_users(found, protocol, metric),
        "item_popularity": _by_items(found, protocol, metric),
    }
    return {"metric": metric} | {name: each for name, each in by.items() if each}


def thirds(values: np.ndarray) -> np.ndarray | None:
    """[N] 0, 1 or 2, about as many each, equal values alike; None if a third would be empty."""
    cuts = np.quantile(values, np.arange(1, NUM_SLICES) / NUM_SLICES, method="inverted_cdf")
    group = (values[:, None] > cuts).sum(axis=1)
    return group if len(np.unique(group)) == NUM_SLICES else None


def _by_users(found: Evaluation, protocol: str, metric: str) -> dict[str, Any] | None:
    cube = found.cube(protocol)
    if found.background is None:
        return None
    length = found.background.train.counts()[cube.users]
    group = thirds(length)
    if group is None:
        return None
    cells = {
        method: [_cell(cube.of(method, metric)[:, group == third]) for third in range(NUM_SLICES)]
        for method in cube.methods
    }
    return {"groups": _bounds(length, group), "methods": cells}


def _by_items(found: Evaluation, protocol: str, metric: str) -> dict[str, Any] | None:
    back, cube = found.background, found.cube(protocol)
    test = back.tests.get(protocol) if back else None
    if back is None or test is None:
        return None
    asked = np.isin(test.user, cube.users)
    if not protocol_of(protocol).any_rating:
        asked &= test.rating >= RELEVANT_FROM
    relevant = test.where(asked)
    popularity = back.num_raters[relevant.item]
    group = thirds(popularity) if len(relevant) else None
    if group is None:
        return None
    parts = [relevant.where(group == third) for third in range(NUM_SLICES)]
    cells = {
        method: [_cell_of(part, cube.users, lists, metric) for part in parts]
        for method in cube.methods
        if (lists := found.by_seed(found.lists, protocol, method))
    }
    return {"groups": _bounds(popularity, group), "methods": cells} if cells else None


def _cell_of(
    relevant: Interactions, users: np.ndarray, lists: Sequence[np.ndarray], metric: str
) -> dict[str, Any]:
    pair = np.unique(relevant.user.astype(np.int64) * relevant.num_items + relevant.item)
    row = users[:, None].astype(np.int64) * relevant.num_items
    num_relevant = np.bincount(pair // relevant.num_items, minlength=relevant.num_users)[users]
    values = []
    for own in lists:
        hits = np.isin(row + own, pair) & ~_is_again(own)  # [U', K]
        values.append(measured(hits, num_relevant, [metric])[metric])
    return _cell(np.stack(values))


def _cell(values: np.ndarray) -> dict[str, Any]:
    """Of one column [S, U]."""
    return cells_of(values[:, :, None], [""])[""]


def _is_again(lists: np.ndarray) -> np.ndarray:
    """[U', K] whether a place holds what one before it does, as a log with repeats allows."""
    return np.tril(lists[:, :, None] == lists[:, None, :], -1).any(axis=2)


def _bounds(values: np.ndarray, group: np.ndarray) -> list[dict[str, int]]:
    return [
        {"least": int(own.min()), "most": int(own.max())}
        for own in (values[group == third] for third in range(NUM_SLICES))
    ]
