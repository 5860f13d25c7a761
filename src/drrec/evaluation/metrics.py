"""Ranking metrics as pure functions of one row per user.

Each takes `hits [U, K] bool`, whether the item at each place of a user's list is relevant, best
place first, and `num_relevant [U]`, how many relevant items the user has among the candidates;
each gives `[U] float64` in [0, 1], NaN for a user without a relevant item. The mean, the interval
and the paired test live in `statistics`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drrec.errors import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def precision(hits: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """The relevant share of the K places."""
    hits, num_relevant = _checked(hits, num_relevant)
    return _where_relevant(num_relevant, hits.mean(axis=1))


def recall(hits: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """The share of the user's relevant items that is on the list."""
    hits, num_relevant = _checked(hits, num_relevant)
    return _where_relevant(num_relevant, hits.sum(axis=1) / np.maximum(num_relevant, 1))


def hit_rate(hits: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """1 where any relevant item is on the list."""
    hits, num_relevant = _checked(hits, num_relevant)
    return _where_relevant(num_relevant, hits.any(axis=1).astype(float))


def mrr(hits: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """1 / the place of the first relevant item, 0 where none is on the list."""
    hits, num_relevant = _checked(hits, num_relevant)
    return _where_relevant(num_relevant, hits.any(axis=1) / (hits.argmax(axis=1) + 1))


def ndcg(hits: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """Discounted gain over the best that can be had: min(num_relevant, K) ones on top.

    Binary gain, discount 1 / log2(place + 1) (Järvelin and Kekäläinen 2002).
    """
    hits, num_relevant = _checked(hits, num_relevant)
    num_places = hits.shape[1]
    discount = 1 / np.log2(np.arange(2, num_places + 2))  # [K]
    ideal = np.append(0.0, discount.cumsum())[np.minimum(num_relevant, num_places)]  # [U]
    return _where_relevant(num_relevant, hits @ discount / np.where(ideal > 0, ideal, 1))


def average_precision(hits: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """The precision at each relevant place, summed, over min(num_relevant, K)."""
    hits, num_relevant = _checked(hits, num_relevant)
    places = np.arange(1, hits.shape[1] + 1)
    total = (hits * hits.cumsum(axis=1) / places).sum(axis=1)  # [U, K] -> [U]
    achievable = np.minimum(num_relevant, hits.shape[1])
    return _where_relevant(num_relevant, total / np.maximum(achievable, 1))


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "precision": precision,
    "recall": recall,
    "ndcg": ndcg,
    "hr": hit_rate,
    "mrr": mrr,
    "map": average_precision,
}


def measured(
    hits: np.ndarray, num_relevant: np.ndarray, names: Iterable[str]
) -> dict[str, np.ndarray]:
    """Metrics by the names that tables use: `ndcg@10` cuts at 10, `map` takes the whole list.

    Args:
        hits: [U, K] bool, best place first; K is at least the deepest cut.
        num_relevant: [U] relevant items of each user.
        names: a key of `METRICS`, or one with a cut behind it.

    Returns:
        [U] for each name.

    Raises:
        ValueError: an unknown name, or a list shorter than its cut.
    """
    return {name: _measured(hits, num_relevant, name) for name in names}


def _measured(hits: np.ndarray, num_relevant: np.ndarray, name: str) -> np.ndarray:
    metric, _, cut = name.partition("@")
    if metric not in METRICS or not (cut.isdecimal() or name == metric):
        raise ValueError(
            f"Expected a metric like 'ndcg@10' or 'map'. Received: {shown(name)}. "
            f"Take one of {', '.join(METRICS)}."
        )
    num_places = int(cut) if cut else hits.shape[1]
    if not 1 <= num_places <= hits.shape[1]:
        raise ValueError(
            f"Expected lists as long as the cut of {shown(name)}. Received: hits of shape "
            f"{hits.shape}. Cut at a place from 1 to {hits.shape[1]}, or pad the lists."
        )
    return METRICS[metric](hits[:, :num_places], num_relevant)


def _checked(hits: np.ndarray, num_relevant: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    hits, num_relevant = np.asarray(hits), np.asarray(num_relevant)
    if hits.ndim != 2 or num_relevant.shape != hits.shape[:1] or hits.dtype != bool:
        raise ValueError(
            "Expected `hits` [U, K] bool and `num_relevant` [U]. Received: "
            f"{hits.shape} {hits.dtype} and {num_relevant.shape}. "
            "Give one row per user in both."
        )
    if (hits.sum(axis=1) > num_relevant).any():
        raise ValueError(
            "Expected no more hits than relevant items. Received: a user with more. "
            "Count `num_relevant` over all candidates, not over the list."
        )
    return hits, num_relevant


def _where_relevant(num_relevant: np.ndarray, value: np.ndarray) -> np.ndarray:
    return np.where(num_relevant > 0, value, np.nan)
