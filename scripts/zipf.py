"""Made-up logs of any size, block by block: popularity and activity have long tails."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable, Iterator

ROWS_AT_ONCE = 1_000_000
LEAST_ROWS = 5
"""Rows of the least active users of a log by users."""
NUM_TASTES = 50
FAITHFULNESS = 0.6
"""Share of a user's items that are of their taste."""
FIRST, LAST = 1_300_000_000, 1_700_000_000
"""Seconds since 1970 of a log in random order."""
SHARES = (0.06, 0.11, 0.27, 0.34, 0.22)
"""Of the ratings from 1 to 5 of a log in random order."""


class Rows(NamedTuple):
    """Some rows of a log."""

    user: np.ndarray  # [n] int64 in 0 … U − 1
    item: np.ndarray  # [n] int64 in 0 … I − 1
    rating: np.ndarray  # [n] float32 from 1 to 5, whole
    timestamp: np.ndarray  # [n] int64 seconds


@dataclasses.dataclass(frozen=True, kw_only=True)
class ZipfLog:
    """Users and items as busy as Zipf's law says: number k in proportion to k^−exponent."""

    users: int
    """U."""
    items: int
    """I."""
    rows: int
    """R; by users about as many, as an item that a user draws twice is kept once."""
    order: Literal["users", "random"] = "users"
    """users: by user, then time, no user in two blocks and no pair twice; users like items of
    their taste, which are every `NUM_TASTES`-th. random: rows in no order, pairs repeat."""
    user_exponent: float = 0.8
    """Of users' numbers of rows. [0, 1)"""
    item_exponent: float = 0.6
    """Of items'. [0, 1)"""
    seed: int = 0

    def blocks(self) -> Iterator[Rows]:
        """About `ROWS_AT_ONCE` rows at a time."""
        rng = np.random.default_rng(self.seed)
        return self._by_users(rng) if self.order == "users" else self._at_random(rng)

    def _by_users(self, rng: np.random.Generator) -> Iterator[Rows]:
        counts = self._activity(rng)
        ends = np.cumsum(counts)
        first = 0
        while first < self.users:
            done = ends[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(ends, done + ROWS_AT_ONCE)))
            yield self._block(first, counts[first:last], rng)
            first = last

    def _activity(self, rng: np.random.Generator) -> np.ndarray:
        """[U] how many items each user draws, at most half of all."""
        weight = rng.permutation(np.arange(1, self.users + 1) ** -self.user_exponent)
        least = min(LEAST_ROWS, self.rows // self.users)
        drawn = least + weight / weight.sum() * (self.rows - least * self.users)
        return np.clip(np.rint(drawn), 1, max(1, self.items // 2)).astype(np.int64)

    def _block(self, first: int, counts: np.ndarray, rng: np.random.Generator) -> Rows:
        user = np.repeat(np.arange(len(counts)), counts)
        rank = _ranks(rng, len(user), self.items, self.item_exponent)
        taste = rng.integers(0, NUM_TASTES, len(counts))[user]
        is_faithful = rng.random(len(user)) < FAITHFULNESS
        own = np.minimum(rank // NUM_TASTES * NUM_TASTES + taste, self.items - 1)
        item = np.where(is_faithful, own, np.minimum(rank, self.items - 1))
        _, kept = np.unique(user * np.int64(self.items) + item, return_index=True)
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

    def _at_random(self, rng: np.random.Generator) -> Iterator[Rows]:
        user_names = rng.permutation(self.users)  # ids in no order of popularity
        item_names = rng.permutation(self.items)
        for start in range(0, self.rows, ROWS_AT_ONCE):
            size = min(ROWS_AT_ONCE, self.rows - start)
            yield Rows(
                user=user_names[_ranks(rng, size, self.users, self.user_exponent)],
                item=item_names[_ranks(rng, size, self.items, self.item_exponent)],
                rating=(rng.choice(5, size, p=SHARES) + 1).astype(np.float32),
                timestamp=rng.integers(FIRST, LAST, size),
            )


def written(blocks: Iterable[Rows], path: pathlib.Path) -> Iterator[Rows]:
    """The blocks, each once it is written to a file: Parquet, or CSV, by the end of its name."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    made = pa.parquet.ParquetWriter if path.suffix == ".parquet" else pa.csv.CSVWriter
    writer = None
    with path.open("wb") as file:
        for rows in blocks:
            stars = rows.rating.astype(np.int8)
            table = pa.table(dict(zip(_NAMES, rows._replace(rating=stars), strict=True)))
            writer = writer or made(file, table.schema)
            writer.write_table(table)
            yield rows
        if writer is not None:
            writer.close()


_NAMES = ("user_id", "item_id", "rating", "timestamp")


def _ranks(rng: np.random.Generator, size: int, count: int, exponent: float) -> np.ndarray:
    """[size] ranks from 0, drawn with probability proportional to (rank + 1)^−exponent."""
    return (count * rng.random(size) ** (1 / (1 - exponent))).astype(np.int64)
