"""Recommendations to many users, written to a file as they are made."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from drrec.errors import InputError
from drrec.files import replaced

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd

    from drrec.base import Recommender

USERS_AT_ONCE = 5_000

FORMS = (".csv", ".jsonl", ".parquet")
"""Ends of names that say how lists are written."""


def write_lists(
    model: Recommender,
    users: Sequence[str],
    path: str | os.PathLike[str],
    k: int = 10,
    *,
    filter_seen: bool = True,
    allow: Iterable[Any] | None = None,
    block: Iterable[Any] | None = None,
) -> int:
    """Write the top K items of each user, with a progress bar; the file is whole or absent.

    Args:
        model: a fitted one.
        users: raw ids.
        path: a .csv, .jsonl or .parquet file with columns user, item, score, rank.
        k: K, at least 1.
        filter_seen: as in `Recommender.recommend`.
        allow: as there.
        block: as there.

    Returns:
        How many rows were written.

    Raises:
        InputError: the file has another suffix, an id is unknown, or pyarrow is missing.
    """
    target = pathlib.Path(path)
    if target.suffix not in FORMS:
        raise InputError(f"Expected a file that ends in {', '.join(FORMS)}. Received: {path}.")
    allow = None if allow is None else list(allow)
    block = None if block is None else list(block)
    written = 0
    with replaced(target) as side, _writer(side, target.suffix) as writer:
        bar = tqdm(total=len(users), unit="user", desc=target.name)
        with bar:
            for start in range(0, len(users), USERS_AT_ONCE):
                part = users[start : start + USERS_AT_ONCE]
                rows = model.recommend(part, k, filter_seen=filter_seen, allow=allow, block=block)
                writer.write(rows)
                written += len(rows)
                bar.update(len(part))
    return written


class _Text:
    """CSV or JSON lines."""

    def __init__(self, path: pathlib.Path, put: Callable[[pd.DataFrame, Any, bool], None]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._put = put
        self._is_first = True

    def __enter__(self) -> _Text:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, rows: pd.DataFrame) -> None:
        """Append rows."""
        self._put(rows, self._file, self._is_first)
        self._is_first = False


class _Parquet:
    """One row group for each part."""

    def __init__(self, path: pathlib.Path) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise InputError(
                "Expected pyarrow, to write Parquet. Received: none. Install it: pip install "
                "pyarrow."
            ) from error
        self._schema = pyarrow.schema(
            [("user", "string"), ("item", "string"), ("score", "float64"), ("rank", "int64")]
        )
        self._table = pyarrow.Table
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema)

    def __enter__(self) -> _Parquet:
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.close()

    def write(self, rows: pd.DataFrame) -> None:
        """Append rows."""
        table = self._table.from_pandas(rows, schema=self._schema, preserve_index=False)
        self._writer.write_table(table)


def _csv(rows: pd.DataFrame, file: Any, is_first: bool) -> None:
    rows.to_csv(file, header=is_first, index=False, lineterminator="\n")


def _json_lines(rows: pd.DataFrame, file: Any, is_first: bool) -> None:
    rows.to_json(file, orient="records", lines=True, force_ascii=False, double_precision=15)


def _writer(path: pathlib.Path, form: str) -> _Text | _Parquet:
    if form == ".parquet":
        return _Parquet(path)
    return _Text(path, _csv if form == ".csv" else _json_lines)
