"""The rows of a checked log, out of DuckDB into arrays: by user, then time, block by block."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from drrec.data.scale import TAKEN
from drrec.data.thinning import sessions

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator

    import duckdb
    import pandas as pd

    from drrec.data.interactions import Repeats
    from drrec.data.times import Times

logger = logging.getLogger(__name__)

Columns = dict[str, np.ndarray]

_VECTORS = 256
"""Of 2,048 rows each, in a block."""


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """What to make of a table `log`: columns user, item, rank, row; amount, part, session."""

    connection: duckdb.DuckDBPyConnection
    size: int
    names: set[str]
    """The columns that the log has."""
    times: Times | None
    """None where the order of the rows stands for them."""
    order: str
    """How rows of one time follow each other."""
    stars: Callable[[np.ndarray], np.ndarray] | None = None
    """From ratings; None where each row is a like."""
    weight: Callable[[np.ndarray], np.ndarray] | None = None
    """From amounts, if there are any."""
    session_gap: float | None = None
    """Minutes without a row after which a session begins, of a log that does not name its own."""

    def read(self, repeats: Repeats) -> Columns:
        """All rows: columns of `Interactions`, and perhaps `part`."""
        columns: Columns = {}
        end = 0
        for block in self.blocks(repeats):
            size = len(block["user"])
            for name, values in block.items():
                if name not in columns:
                    columns[name] = np.empty(self.size, values.dtype)
                columns[name][end : end + size] = values
            end += size
        if end < self.size:
            columns = {name: column[:end].copy() for name, column in columns.items()}
        return columns

    def mapped(self, repeats: Repeats, folder: pathlib.Path) -> Columns:
        """The same in files of a folder, mapped into memory, where changes are kept."""
        types: dict[str, np.dtype] = {}
        written: dict[str, BinaryIO] = {}
        with contextlib.ExitStack() as files:
            for block in self.blocks(repeats):
                for name, values in block.items():
                    if name not in types:
                        types[name] = values.dtype
                        written[name] = files.enter_context((folder / name).open("wb"))
                    values.tofile(written[name])
        return {name: np.memmap(folder / name, type_, "r+") for name, type_ in types.items()}

    def blocks(self, repeats: Repeats) -> Iterator[Columns]:
        """The same, some users at a time, all rows of each."""
        num_dropped = num_sessions = 0
        for frame in self._frames():
            if self.session_gap is not None:
                milliseconds = frame["rank"].to_numpy() * (1000 / self._unit)
                found = sessions(frame["user"].to_numpy(), milliseconds, self.session_gap)
                frame["sitting"] = found + np.int32(num_sessions)
                num_sessions = int(frame["sitting"].iloc[-1]) + 1
            if repeats == "drop":
                is_last = ~frame.duplicated(["user", "item"], keep="last")
                num_dropped += int((~is_last).sum())
                frame = frame[is_last] if not is_last.all() else frame
            block = self._block(frame)
            if "session" in frame:
                block["session"] = _sessions(frame) + np.int32(num_sessions)
                num_sessions = int(block["session"].max()) + 1
            if "sitting" in frame:
                block["session"] = frame["sitting"].to_numpy(np.int32)
            yield block
        if num_dropped:
            logger.warning("%d repeated (user, item) rows: kept the last of each", num_dropped)

    @property
    def _unit(self) -> int:
        return self.times.unit if self.times else 1

    def _frames(self) -> Iterator[pd.DataFrame]:
        """Rows in their order, all of a user in one."""
        import pandas as pd

        time = "rank" if self.times else "(row_number() OVER (ORDER BY row) - 1)::DOUBLE AS rank"
        others = sorted({"part", "session"} & self.names)
        others += ["amount"] if self.stars or self.weight else []
        chosen = ", ".join(["user", "item + 1 AS item", time, *others])
        order = f"user, rank, {self.order}"
        result = self.connection.execute(f"SELECT {chosen} FROM log ORDER BY {order}")
        kept: list[pd.DataFrame] = []
        while len(frame := result.fetch_df_chunk(_VECTORS)):
            user = frame["user"].to_numpy()
            last = int(np.searchsorted(user, user[-1]))
            if last:
                yield pd.concat([*kept, frame[:last]], ignore_index=True)
                kept = []
            kept.append(frame[last:])
        if kept:
            yield pd.concat(kept, ignore_index=True)

    def _block(self, frame: pd.DataFrame) -> Columns:
        block = {
            "user": frame["user"].to_numpy(np.int32),
            "item": frame["item"].to_numpy(np.int32),
            "rating": np.full(len(frame), TAKEN, np.float32),
            "timestamp": (frame["rank"].to_numpy() // self._unit).astype(np.int64),
        }
        if self.stars:
            block["rating"] = self.stars(frame["amount"].to_numpy()).astype(np.float32)
        if self.weight:
            block["weight"] = self.weight(frame["amount"].to_numpy()).astype(np.float32)
        if "part" in frame:
            block["part"] = frame["part"].to_numpy(np.float64).astype(np.int8)
        return block


def _sessions(frame: pd.DataFrame) -> np.ndarray:
    """[R] int32 numbers of sittings, which are one user's, in their order."""
    import pandas as pd

    codes, found = pd.factorize(frame["session"].fillna(""))
    user = frame["user"].to_numpy().astype(np.int64)
    return pd.factorize(user * (len(found) + 1) + codes)[0].astype(np.int32)
