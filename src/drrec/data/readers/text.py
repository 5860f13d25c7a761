"""Delimited text, by DuckDB where all is well, line by line to name the line that is not."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import functools
import itertools
import logging
import re
from typing import TYPE_CHECKING

import numpy as np

from drrec.data.config import LogConfig
from drrec.data.engine import Refused, literal
from drrec.data.readers import checks, lines
from drrec.data.readers.columns import Columns, described, recognised, split_header
from drrec.data.readers.opened import ENCODINGS, check_rows, is_plain, measured, suffix
from drrec.errors import InputError, told

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

    from drrec.data.config import Kind
    from drrec.data.readers.staged import Staged

logger = logging.getLogger(__name__)

_SEPARATORS = ",\t;|"
_LONGEST = 2_000_000
"""Bytes of a line that DuckDB reads unasked."""


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


def read(path: pathlib.Path, table: LogTable, log: Staged, part: int | None = None) -> None:
    """Append the rows of a file: plain or packed; UTF-8, UTF-16, or of Windows.

    Args:
        path: the file.
        table: its layout.
        log: where the rows go.
        part: which part of the split `given` they are.

    Raises:
        InputError: the file is missing, empty or cut, or a row has too few fields or too many, or
            a quote has swallowed rows; the message says which line.
    """
    copy = None if is_plain(path) else log.scratch / f"{len(log)}.unpacked"
    size = measured(path, functools.partial(_is_odd, table), copy)
    num_rows = size.num_lines - table.before
    check_rows(num_rows, path)
    started, added = len(log), None
    where = functools.partial(_line_of, path, table)
    if not size.is_odd and num_rows > 0:
        with contextlib.suppress(Refused):
            added = _append(path, copy or path, table, log, part, where)
    if added not in (None, num_rows):  # blank lines, or fields of several lines
        log.forget_last()
    if added != num_rows:
        _append_exactly(path, table, log, part, where)
    if len(log) == started:
        raise lines.no_rows(path)
    if not size.is_ended:
        _check_end(path, table, log, started)


def _is_odd(table: LogTable, text: bytes) -> bool:
    """Whether DuckDB reads some of it otherwise than is meant.

    It takes a row with one field too many that is empty, and blanks beside quotes for no part of
    a field.
    """
    mark = table.separator.encode()
    if mark + b"\n" in text or mark + b"\r\n" in text:
        return True
    if not table.is_quoted or b'"' not in text:
        return False
    if mark + b'""\n' in text or mark + b'""\r\n' in text:
        return True
    if not any(pair in text for pair in (b' "', b'\t"', b'" ', b'"\t')):
        return False
    blank, end = rb"[ \t]+", re.escape(mark) + rb"|\r?\n"
    return bool(re.search(rb"(?:%b)%b\"|\"%b(?:%b)" % (end, blank, blank, end), text))


def _append(
    path: pathlib.Path,
    plain: pathlib.Path,
    table: LogTable,
    log: Staged,
    part: int | None,
    where: Callable[[int], str],
    more: str = "",
) -> int:
    names = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(table.num_fields))
    quote = '"' if table.is_quoted else ""
    source = (
        f"read_csv(?, columns = {{{names}}}, auto_detect = false, header = false, delim = ?, "
        f"quote = ?, escape = ?, skip = {table.before}, strict_mode = true, compression = 'none', "
        f"hive_partitioning = false, max_line_size = {_LONGEST}{more})"
    )
    columns = {name: f"c{index}" for name, index in table.columns.places().items()}
    if part is not None:
        columns["part"] = str(part)
    values = [literal(plain), table.separator, quote, quote]
    return log.add(str(path), source, columns, where, values, table.kind)


def _append_exactly(
    path: pathlib.Path,
    table: LogTable,
    log: Staged,
    part: int | None,
    where: Callable[[int], str],
) -> None:
    """Append what the exact reader makes of a file, which refuses the first row that is none."""
    copy = log.scratch / f"{len(log)}.exact"
    for encoding in ENCODINGS:
        try:
            with copy.open("w", encoding="utf-8", newline="") as file:
                rows = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
                rows.writerows(fields for _, fields in lines.numbered(path, table, encoding))
        except UnicodeDecodeError:
            continue
        break
    same = dataclasses.replace(table, separator=",", is_quoted=True, before=0)
    try:
        _append(path, copy, same, log, part, where, ", new_line = '\\n'")
    except Refused as error:
        raise InputError(
            f"Expected rows of ratings in {path}. Received: {checks.short(told(error))}. "
            "Get the file again."
        ) from error
    copy.unlink()


def _line_of(path: pathlib.Path, table: LogTable, row: int) -> str:
    for encoding in ENCODINGS:
        with contextlib.suppress(UnicodeDecodeError):
            rows = lines.numbered(path, table, encoding)
            number, _ = next(itertools.islice(rows, row, None))
            return f"line {number} of {path}"
    raise AssertionError  # Latin-1 decodes every byte


def _check_end(path: pathlib.Path, table: LogTable, log: Staged, started: int) -> None:
    """See that a last row without a line end has lost no digits of its timestamp."""
    is_last = table.columns.timestamp == table.num_fields - 1
    if not is_last or log.types["timestamp"] != "DOUBLE" or len(log) - started < 2:
        return
    last = log.cell("timestamp", len(log) - 1)
    before = f"rowid >= {started} AND rowid < {len(log) - 1}"
    (least,) = log.one(f"SELECT min(timestamp) FROM raw WHERE {before}")
    if None not in (least, last) and checks.cut_short(np.array([least, last])):
        raise InputError(
            f"Expected a whole last row (row {len(log) - started}) in {path}. Received: the "
            f"timestamp {last:.0f} and no line end: the file is cut short. Get it again, or end "
            "its last line if it is whole."
        )
