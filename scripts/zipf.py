"""A made-up log of any size, block by block: popularity and activity have long tails."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS_AT_ONCE = 1_000_000
LEAST_ROWS = 5
"""Rows of the least active users."""
NUM_TASTES = 50
EXPONENT = 0.6
"""Of Zipf's law of the items: number k comes in proportion to k to minus this power."""
FAITHFULNESS = 0.6
"""Share of a user's items that are of their taste."""


class Rows(NamedTuple):
    """Some rows of a log, sorted by user, then time; no user is in two blocks."""

    user: np.ndarray  # [n] int64 in 0 … U − 1
    item: np.ndarray  # [n] int64 in 0 … I − 1, no pair twice
    rating: np.ndarray  # [n] float32 from 1 to 5, whole
    timestamp: np.ndarray  # [n] int64 seconds


def zipf_interactions(users: int, items: int, rows: int, seed: int) -> Iterator[Rows]:
    """Blocks of about a million rows.

    Items and users' numbers of rows follow Zipf's law. Users like items of their taste, which
    are every `NUM_TASTES`-th.

    Args:
        users: U.
        items: I.
        rows: R, about as many are made: an item that a user draws twice is kept once.
        seed: of all.
    """
    rng = np.random.default_rng(seed)
    counts = _activity(users, items, rows, rng)
    ends = np.cumsum(counts)
    first = 0
    while first < users:
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + ROWS_AT_ONCE)))
        yield _block(first, counts[first:last], items, rng)
        first = last


def _activity(users: int, items: int, rows: int, rng: np.random.Generator) -> np.ndarray:
    """[U] how many items each user draws, at most half of all."""
    weight = rng.permutation(np.arange(1, users + 1) ** -0.8)
    least = min(LEAST_ROWS, rows // users)
    drawn = least + weight / weight.sum() * (rows - least * users)
    return np.clip(np.rint(drawn), 1, max(1, items // 2)).astype(np.int64)


def _block(first: int, counts: np.ndarray, items: int, rng: np.random.Generator) -> Rows:
    user = np.repeat(np.arange(len(counts)), counts)
    rank = (items * rng.random(len(user)) ** (1 / (1 - EXPONENT))).astype(np.int64)
    taste = rng.integers(0, NUM_TASTES, len(counts))[user]
    is_faithful = rng.random(len(user)) < FAITHFULNESS
    own = np.minimum(rank // NUM_TASTES * NUM_TASTES + taste, items - 1)
    item = np.where(is_faithful, own, np.minimum(rank, items - 1))
    _, kept = np.unique(user * np.int64(items) + item, return_index=True)
    kept = kept[np.lexsort((rng.random(len(kept)), user[kept]))]
    user, item = user[kept], item[kept]
    likes = 3.4 + 0.8 * (item % NUM_TASTES == taste[kept]) + rng.normal(0, 1, len(user))
    start = np.searchsorted(user, user)
    return Rows(
        user=user + first,
        item=item,
        rating=np.clip(np.rint(likes), 1, 5).astype(np.float32),
        timestamp=1_500_000_000 + 3_600 * (np.arange(len(user)) - start),
    )
