"""Delimited text to columns: fast where all is well, line by line to name the line that is not."""

from __future__ import annotations

import csv
import dataclasses
import functools
import itertools
import logging
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from drrec.data.config import LogConfig
from drrec.data.logs import LogFrame
from drrec.data.readers import checks, lines
from drrec.data.readers.columns import Columns, described, recognised, split_header
from drrec.data.readers.opened import (
    BROKEN,
    ENCODINGS,
    Size,
    check_rows,
    damaged,
    measured,
    opened,
    suffix,
    unreadable,
)
from drrec.errors import InputError

if TYPE_CHECKING:
    import pathlib

    from drrec.data.config import Kind

logger = logging.getLogger(__name__)

_PIECE = 1 << 19
_SEPARATORS = ",\t;|"
_NUMBERS = ("rating", "timestamp", "part")
_TEXTS = ("user", "item", "session", "title", "genres")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogTable(lines.Table):
    """A delimited file of interactions, and which of its columns is what."""

    columns: Columns

    @property
    def kind(self) -> Kind:
        """What the column `rating` holds."""
        return self.columns.kind


def table_of(path: pathlib.Path, config: LogConfig | None = None) -> LogTable:
    """The layout that a file's header describes.

    Raises:
        InputError: the file is missing or empty, a needed column is missing, or two columns could
            be the same.
    """
    config = config or LogConfig()
    found = lines.header(path)
    is_atomic = suffix(path) == ".inter"
    separator = config.separator or found.separator
    if separator is None:
        is_tabbed = is_atomic or suffix(path) == ".tsv"
        separator = "\t" if is_tabbed else max(_SEPARATORS, key=found.text.count)
    is_quoted = separator != "\t" and not is_atomic
    header = split_header(found.text, separator, is_quoted=is_quoted)
    where = f"line {found.line} of {path}"
    columns = recognised(header, config, where)
    logger.info("%s: %s", path, described(columns, header))
    return LogTable(
        separator=separator,
        num_fields=len(header),
        before=found.line,
        is_quoted=is_quoted,
        columns=columns,
    )


def read(path: pathlib.Path, table: LogTable) -> LogFrame:
    """Read the columns of a file: plain or packed; UTF-8, UTF-16, or of Windows.

    Raises:
        InputError: the file is missing, empty or cut, or a row has too few fields or too many, or
            a quote has swallowed rows; the message says which line.
    """
    size = measured(path)
    check_rows(size.num_lines - table.before, path)
    for encoding in ENCODINGS:
        try:
            frame = _read(path, table, encoding, size)
        except UnicodeDecodeError:
            continue
        except OSError as error:
            raise unreadable(path, error) from error
        except BROKEN as error:
            raise damaged(path, error) from error
        if frame.empty:
            raise lines.no_rows(path)
        where = functools.partial(_line_of, path, table, encoding)
        return LogFrame(frame, str(path), where, table.kind)
    raise AssertionError  # Latin-1 decodes every byte


def _read(path: pathlib.Path, table: LogTable, encoding: str, size: Size) -> pd.DataFrame:
    try:
        try:
            frame = _parse(path, table, encoding, as_text=False)
        except (UnicodeDecodeError, pd.errors.ParserError):
            raise
        # A number that is none: dates, words, a fault, or digits without end.
        except (ValueError, OverflowError):
            frame = _parse(path, table, encoding, as_text=True)
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        _check_rows(path, table, encoding)
        raise _not_rows(path, str(error)) from error
    num_rows = size.num_lines - table.before
    if frame.pop("is_short").any() or (len(frame) and num_rows != len(frame)):
        count = _check_rows(path, table, encoding)
        frame = frame[~frame.pop("is_comment")].reset_index(drop=True)
        if count != len(frame):
            raise _not_rows(path, f"{len(frame):,} rows of {count:,} lines")
    else:
        frame = frame.drop(columns="is_comment")
    if len(frame) and not size.is_ended:
        _check_end(path, table, frame)
    return frame


def _parse(path: pathlib.Path, table: LogTable, encoding: str, *, as_text: bool) -> pd.DataFrame:
    # The C parser takes one character. So "::" is read as ":" with an empty column in each gap.
    step = len(table.separator)
    width = table.num_fields * step - step + 1
    names = [f"gap{index}" if index % step else f"other{index}" for index in range(width)]
    places = table.columns.places()
    for name, index in places.items():
        names[index * step] = name
    numbers = [name for name in _NUMBERS if name in places and not as_text]
    pieces, raw = [], {name: _Raw() for name in _TEXTS if name in places}
    gaps = [name for name in names if name.startswith("gap")]
    last = names[-1]
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # a first row that is too long
        with (
            opened(path) as file,
            pd.read_csv(
                file,
                sep=table.separator[0],
                names=names,
                header=None,
                skiprows=table.before,
                index_col=False,
                dtype={name: np.float64 if name in numbers else object for name in names},
                keep_default_na=False,  # a user may be called NA
                na_values={name: [""] for name in numbers},
                quoting=csv.QUOTE_MINIMAL if table.is_quoted else csv.QUOTE_NONE,
                encoding=encoding,
                engine="c",
                chunksize=_PIECE,
            ) as reader,
        ):
            for piece in reader:
                is_short = piece[last].isna() | (piece[last] == "")  # missing, or empty
                is_short |= (piece[gaps] != "").any(axis=1)
                starts = piece[names[0]].astype(str).str.startswith("#")
                kept = piece[list(places)].assign(is_short=is_short, is_comment=is_short & starts)
                pieces.append(kept.assign(**{name: raw[name].codes(kept[name]) for name in raw}))
    frame = pd.concat(pieces, ignore_index=True)
    return frame.assign(**{name: raw[name].texts(frame[name]) for name in raw})


class _Raw:
    """Text of one column, each held once: pandas holds one for each row and piece."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def codes(self, column: pd.Series) -> np.ndarray:
        codes, found = pd.factorize(column.fillna("").to_numpy())
        numbers = self._numbers
        known = [numbers.setdefault(text, len(numbers)) for text in found.tolist()]
        return np.array(known, np.int32)[codes]

    def texts(self, codes: pd.Series) -> pd.Series:
        return pd.Series(np.array([*self._numbers], object)[codes.to_numpy()], dtype=object)


def _check_rows(path: pathlib.Path, table: LogTable, encoding: str) -> int:
    """How many rows the exact reader finds, which refuses the first that is none."""
    return sum(1 for _ in lines.numbered(path, table, encoding))


def _line_of(path: pathlib.Path, table: LogTable, encoding: str, row: int) -> str:
    number, _ = next(itertools.islice(lines.numbered(path, table, encoding), row, None))
    return f"line {number} of {path}"


def _not_rows(path: pathlib.Path, reason: str) -> InputError:
    return InputError(
        f"Expected rows of ratings in {path}. Received: {checks.short(reason)}. Get the file again."
    )


def _check_end(path: pathlib.Path, table: LogTable, frame: pd.DataFrame) -> None:
    """See that a last row without a line end has lost no digits of its timestamp."""
    if table.columns.timestamp != table.num_fields - 1 or frame["timestamp"].dtype == object:
        return
    timestamp = frame["timestamp"].to_numpy()
    if checks.cut_short(timestamp):
        raise InputError(
            f"Expected a whole last row (row {len(timestamp)}) in {path}. Received: the timestamp "
            f"{timestamp[-1]:.0f} and no line end: the file is cut short. Get it again, or end its "
            "last line if it is whole."
        )
