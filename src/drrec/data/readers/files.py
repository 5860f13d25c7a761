"""A log in one file, whatever its form."""

from __future__ import annotations

import glob
import itertools
import pathlib
from typing import TYPE_CHECKING

from drrec.data.engine import is_pattern
from drrec.data.logs import dataset_of
from drrec.data.readers import tables, text
from drrec.data.readers.opened import opened, stem, suffix
from drrec.data.readers.staged import staging
from drrec.errors import InputError

if TYPE_CHECKING:
    from drrec.data.config import LogConfig
    from drrec.data.dataset import Dataset
    from drrec.data.interactions import Repeats
    from drrec.data.readers.staged import Staged

SUFFIXES = (".inter", ".csv", ".tsv", ".txt", ".jsonl", ".json", ".parquet")
"""Forms that are read; each may be packed (`.gz`, `.zip`, `.zst`). What a file holds counts."""

_PARQUET = b"PAR1"
_SHEETS = (".xlsx", ".xls", ".ods", ".feather", ".pkl", ".sqlite", ".db")


def load(path: pathlib.Path, config: LogConfig, repeats: Repeats = "drop") -> Dataset:
    """Read a log: delimited text with a header, JSON lines, or Parquet; one file, or see `found`.

    A log without ratings, or with the same one throughout, is implicit: each row counts as
    `scale.TAKEN`. Without times the order of the rows is the order in time. A column `x_label`
    (MMRec: 0 train, 1 validation, 2 test) gives the parts of the split `given`; a column
    `session_id` says which rows were one sitting. Repeated (user, item) rows: see `repeats`.

    Raises:
        InputError: there is no column for users or for items, or a row is bad.
    """
    files = found(path)
    with staging(str(path), files) as log:
        for file in files:
            read(file, config, log)
        return dataset_of(log, name_of(path), config, repeats)


def found(path: pathlib.Path) -> list[pathlib.Path]:
    """The files of a log, by name: one file; those of a folder; or those that a pattern fits.

    Names that begin with `.` or `_` are left, and in a folder those that do not end in one of
    `SUFFIXES`, packed or not.

    Raises:
        InputError: there are none.
    """
    if is_pattern(str(path)):
        files = sorted(pathlib.Path(each) for each in glob.glob(str(path), recursive=True))
        files = [file for file in files if file.is_file() and file.name[0] not in "._"]
    elif path.is_dir():
        files = sorted(file for file in path.iterdir() if is_log(file))
    else:
        return [path]
    if not files:
        raise InputError(
            f"Expected files of a log at {path}. Received: none. They end in {', '.join(SUFFIXES)}."
        )
    return files


def is_log(path: pathlib.Path) -> bool:
    """Whether a file's name says that it may be of a log."""
    return suffix(path) in SUFFIXES and path.name[0] not in "._" and path.is_file()


def name_of(path: pathlib.Path) -> str:
    """What to call a log: by its file, its folder, or the folder of a pattern."""
    if is_pattern(str(path)):
        parts = list(itertools.takewhile(lambda part: not is_pattern(part), path.parts))
        path = pathlib.Path(*parts).resolve()
    return path.resolve().name if path.is_dir() else stem(path)


def read(path: pathlib.Path, config: LogConfig, log: Staged, part: int | None = None) -> None:
    """Append the rows of a file, before they are checked; they may be a part of a given split.

    Raises:
        InputError: as of `load`.
    """
    if suffix(path) in _SHEETS:
        raise InputError(
            f"Expected a file that ends in {', '.join(SUFFIXES)}. Received: {path}. "
            "Export it as CSV."
        )
    with opened(path) as file:
        start = file.read(256)
    if start.startswith(_PARQUET):
        tables.read_parquet(path, config, log)
        return
    is_atomic = suffix(path) in (".inter", ".csv", ".tsv")
    if not is_atomic and start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{":
        tables.read_json_lines(path, config, log)
        return
    text.read(path, text.table_of(path, config), log, part)
