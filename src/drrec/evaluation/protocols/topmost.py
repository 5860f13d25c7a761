"""The best scores of each row, with equals in an order that says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drrec.scoring import candidates_by_block, is_wide
from drrec.types import PADDING

if TYPE_CHECKING:
    from collections.abc import Callable


class TieNoise:
    """Uniform numbers in [0, 1) of a user and an item, drawn where they are asked for.

    They are those of `rng.random((users, items))`, row by row.
    """

    def __init__(self, seed: int, num_items: int) -> None:
        """Of `np.random.default_rng(seed)`."""
        self._seed, self._num_items = seed, num_items

    def rows(self, first: int, rows: np.ndarray) -> np.ndarray:
        """[n, I] of `rows [n]` in turn, counted from row `first` on."""
        bits = np.random.PCG64(self._seed).advance((first + int(rows[0])) * self._num_items)
        return np.random.Generator(bits).random((len(rows), self._num_items))


def topmost(
    scores: np.ndarray,
    noise_of: Callable[[np.ndarray], np.ndarray],
    tie: np.ndarray,
    num_places: int,
) -> np.ndarray:
    """What `top` gives, with a look at each score of a large catalogue and no sorting of all.

    Args:
        scores: [B, I], −inf for what is not ranked.
        noise_of: from rows [n] of `scores`, one after the other, to [n, I] uniform in [0, 1).
        tie: [B, 1] ≥ 0.
        num_places: K.

    Returns:
        [B, min(K, I)], 0 for what is not ranked if the catalogue is large.
    """
    size, num_items = scores.shape
    if not is_wide(num_items, num_places):
        return top(scores, noise_of(np.arange(size)), tie, num_places)
    row, item = candidates_by_block(scores, num_places, tie)
    order = np.lexsort((item, row))
    row, item = row[order], item[order]
    counts = np.bincount(row, minlength=size)
    column = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    width = max(num_places, int(counts.max()))
    few = np.full((size, width), -np.inf, scores.dtype)
    few[row, column] = scores[row, item]
    items = np.full((size, width), PADDING)
    items[row, column] = item
    places = top(few, _noise(few, items, noise_of, tie, num_places), tie, num_places)
    return np.take_along_axis(items, places, axis=1)


def _noise(
    few: np.ndarray,
    items: np.ndarray,
    noise_of: Callable[[np.ndarray], np.ndarray],
    tie: np.ndarray,
    num_places: int,
) -> np.ndarray:
    """[B, W] the noise of `items`, 0 in rows without equals among the first K and the next."""
    best = -np.sort(-few, axis=1)[:, : num_places + 1]
    is_tied = np.isfinite(best[:, 1:]) & (best[:, 1:] >= best[:, :-1] - tie)
    noise = np.zeros(few.shape)
    for row in np.flatnonzero(is_tied.any(axis=1)):
        noise[row] = noise_of(np.array([row]))[0, items[row]]
    return noise


def top(scores: np.ndarray, tie_noise: np.ndarray, tie: np.ndarray, num_places: int) -> np.ndarray:
    """The columns of the best scores, best first; those `tie` apart or less are ordered by noise.

    Args:
        scores: [B, C], −inf for what is not ranked.
        tie_noise: [B, C] uniform in [0, 1).
        tie: [B, 1] ≥ 0.
        num_places: K.

    Returns:
        [B, min(K, C)].
    """
    kept = min(num_places, scores.shape[1])
    least = np.partition(scores, -kept, axis=1)[:, [-kept]]  # [B, 1]
    is_level = scores >= least - tie
    key = np.where(scores > least + tie, -1, np.where(is_level, tie_noise, 1))
    columns = np.argpartition(key, kept - 1, axis=1)[:, :kept]
    value = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-value, axis=1)
    value = np.take_along_axis(value, order, axis=1)
    columns = np.take_along_axis(columns, order, axis=1)
    is_lower = value[:, 1:] < value[:, :-1] - tie
    group = np.pad(is_lower.cumsum(axis=1), ((0, 0), (1, 0)))  # [B, K], 0 for the best
    order = np.lexsort((np.take_along_axis(tie_noise, columns, axis=1), group), axis=1)
    return np.take_along_axis(columns, order, axis=1)
