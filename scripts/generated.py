"""Logs of any size, made block by block: users and items as busy as Zipf's law says."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 1_000_000
FIRST, LAST = 1_300_000_000, 1_700_000_000
"""Seconds since 1970."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ZipfLog:
    """A log of ratings from 1 to 5, its rows in random order."""

    rows: int = 1_000_000
    users: int = 10_000
    items: int = 20_000
    user_exponent: float = 0.5
    """The user of rank r has a share proportional to r to the power of minus this. [0, 1)"""
    item_exponent: float = 0.9
    """As above, of items. [0, 1)"""
    seed: int = 0

    def blocks(self) -> Iterator[pa.Table]:
        """Columns user_id, item_id, rating, timestamp."""
        rng = np.random.default_rng(self.seed)
        user_names = rng.permutation(self.users)  # ids in no order of popularity
        item_names = rng.permutation(self.items)
        for start in range(0, self.rows, BLOCK):
            size = min(BLOCK, self.rows - start)
            yield pa.table(
                {
                    "user_id": user_names[ranks(rng, size, self.users, self.user_exponent)],
                    "item_id": item_names[ranks(rng, size, self.items, self.item_exponent)],
                    "rating": rng.choice(5, size, p=[0.06, 0.11, 0.27, 0.34, 0.22]) + 1,
                    "timestamp": rng.integers(FIRST, LAST, size),
                }
            )

    def write(self, path: pathlib.Path) -> None:
        """Write the log as CSV or Parquet, by the end of the name."""
        with pathlib.Path(path).open("wb") as file:
            writer = None
            for block in self.blocks():
                if writer is None:
                    is_parquet = path.suffix == ".parquet"
                    made = pyarrow.parquet.ParquetWriter if is_parquet else pyarrow.csv.CSVWriter
                    writer = made(file, block.schema)
                writer.write_table(block)
            if writer is not None:
                writer.close()


def ranks(rng: np.random.Generator, size: int, count: int, exponent: float) -> np.ndarray:
    """[size] ranks from 0, drawn with probability proportional to (rank + 1) ** -exponent."""
    drawn = count * rng.random(size) ** (1 / (1 - exponent))
    return drawn.astype(np.int64)
