"""The rows of a log as its files have them, in a table of DuckDB: what all readers make."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from drrec.data.engine import Refused, engine, refusals
from drrec.data.readers.opened import check_rows
from drrec.errors import InputError
from drrec.files import scratch_folder

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import duckdb

    from drrec.data.config import Kind

NUMBERS = ("rating", "timestamp", "part")
"""Columns that are read as numbers where all of their fields are."""


class _File(NamedTuple):
    where: Callable[[int], str]
    end: int  # rows of it and of those before


@dataclasses.dataclass(eq=False)
class Staged:
    """Table `raw`: columns user and item; rating, timestamp, part, session, title, genres if known.

    The rowid is the number of the row, file by file.
    """

    connection: duckdb.DuckDBPyConnection
    scratch: pathlib.Path
    name: str
    """What to call the log in messages."""
    kind: Kind = "rating"
    """What the column `rating` holds."""
    types: dict[str, str] = dataclasses.field(default_factory=dict)
    """The type of each column."""
    _files: list[_File] = dataclasses.field(default_factory=list)

    def __len__(self) -> int:
        """The number of rows."""
        return self._files[-1].end if self._files else 0

    def add(
        self,
        name: str,
        source: str,
        columns: Mapping[str, str],
        where: Callable[[int], str],
        values: Sequence[Any] = (),
        kind: Kind = "rating",
    ) -> int:
        """Append the rows of one file.

        Args:
            name: the file's.
            source: what stands after FROM.
            columns: an expression for each column of `raw`.
            where: where row r of the file is, such as `line 7 of log.csv`.
            values: of the parameters in `source`.
            kind: what the column `rating` holds.

        Returns:
            How many rows they are.

        Raises:
            Refused: the file is not what it should be.
            InputError: it has other columns than the file before, or too many rows.
        """
        if self.types and (set(columns) != set(self.types) or kind != self.kind):
            raise InputError(
                f"Expected the columns of {self.name} in {name}, too. Received: "
                f"{', '.join(columns)}. Mend its header."
            )
        numbers = {name: _number(columns[name]) for name in NUMBERS if name in columns}
        try:
            with refusals():
                self._insert(source, {**columns, **numbers}, values)
        except Refused:  # dates, words, a fault
            with refusals():
                self._insert(source, columns, values)
        self.kind = kind
        described = self.connection.execute("DESCRIBE raw").fetchall()
        self.types = {column: str(type_) for column, type_, *_ in described}
        end = self.one("SELECT count(*) FROM raw")[0]
        check_rows(end, self.name)
        added = end - len(self)
        self._files.append(_File(where, end))
        return int(added)

    def forget_last(self) -> None:
        """Drop the rows of the file that was added last."""
        self._files.pop()
        if self._files:
            kept = f"SELECT * FROM raw WHERE rowid < {len(self)}"
            self.connection.execute(f"CREATE OR REPLACE TABLE raw AS {kept}")
        else:
            self.connection.execute("DROP TABLE raw")
            self.types = {}

    def _insert(self, source: str, columns: Mapping[str, str], values: Sequence[Any]) -> None:
        chosen = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
        query = f"SELECT {chosen} FROM {source}"
        if not self.types:
            self.connection.execute(f"CREATE TABLE raw AS {query}", values)
            return
        found = {
            n: str(t)
            for n, t, *_ in self.connection.execute(f"DESCRIBE {query}", values).fetchall()
        }
        for name, type_ in self.types.items():
            if found[name] != type_ != "VARCHAR":
                self.connection.execute(f"ALTER TABLE raw ALTER {name} TYPE VARCHAR")
        self.connection.execute(f"INSERT INTO raw BY NAME {query}", values)

    def where(self, row: int) -> str:
        """Where a row is, such as `line 7 of log.csv`."""
        ends = [file.end for file in self._files]
        at = int(np.searchsorted(ends, row, side="right"))
        return self._files[at].where(row - (ends[at - 1] if at else 0))

    def cell(self, column: str, row: int) -> Any:
        """What stands in a row."""
        return self.one(f"SELECT {column} FROM raw WHERE rowid = {row}")[0]

    def give(self, table: str, columns: Mapping[str, np.ndarray]) -> None:
        """Make a table of arrays; objects are text."""
        types = {name: "VARCHAR" for name, array in columns.items() if array.dtype == object}
        chosen = ", ".join(
            f"{name}::{types[name]} AS {name}" if name in types else name for name in columns
        )
        self.connection.register("given", dict(columns))
        self.connection.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT {chosen} FROM given")
        self.connection.unregister("given")

    def arrays(self, query: str) -> dict[str, Any]:
        """The columns that a query gives; "" for no text."""
        found: dict[str, Any] = dict(self.connection.execute(query).fetchnumpy())
        return {
            n: np.ma.filled(c, "") if c.dtype == object else np.asarray(c) for n, c in found.items()
        }

    def one(self, query: str) -> tuple[Any, ...]:
        """The only row that a query gives."""
        return self.connection.execute(query).fetchall()[0]


@contextlib.contextmanager
def staging(
    name: str, files: Sequence[pathlib.Path] = (), scratch: pathlib.Path | None = None
) -> Iterator[Staged]:
    """An empty table for the rows of these files, and a folder for what does not fit in memory."""
    place = contextlib.nullcontext(scratch) if scratch else scratch_folder()
    with place as folder, engine(folder, files) as connection:
        yield Staged(connection, folder, name)


def _number(sql: str) -> str:
    """An expression that fails where there is a field that is no finite number."""
    # DuckDB and Python read 1_000 as a number, and no file means that.
    is_none = f"contains({sql}::VARCHAR, '_') OR NOT isfinite({sql}::DOUBLE)"
    return f"CASE WHEN {is_none} THEN error('no number') ELSE {sql}::DOUBLE END"
