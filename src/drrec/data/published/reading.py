"""Lines of published files, plain or compressed: each checked by DuckDB, the bad ones named."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Literal, NamedTuple

from drrec.data.engine import Refused, literal, quoted, refusals
from drrec.data.published.sql import Check
from drrec.data.readers.checks import short
from drrec.data.readers.lines import header, no_rows
from drrec.data.readers.opened import is_plain, measured, opened
from drrec.errors import InputError, told

if TYPE_CHECKING:
    import pathlib

    import duckdb

    from drrec.data.published.sql import Form

logger = logging.getLogger(__name__)

_LONGEST = 1 << 24
"""Bytes of a line."""
_NO_TEXT, _MARK = "\x01", "\x02"
"""Before what stood in a line that is no UTF-8; and what DuckDB takes for a separator."""
_CONTROL = dict.fromkeys([*range(9), *range(10, 32)], "\x7f")


class Lines(NamedTuple):
    """The lines of a file, checked."""

    path: pathlib.Path
    rows: str  # query of the good ones: the columns of the form, and `line` from 0
    num_read: int
    num_skipped: int
    first_skipped: str
    is_ended: bool  # whether the last line has an end


def read_lines(
    connection: duckdb.DuckDBPyConnection,
    path: pathlib.Path,
    form: Form,
    scratch: pathlib.Path,
    bad_rows: Literal["stop", "skip"],
) -> Lines:
    """Check each line of a file; blank lines are no rows.

    Args:
        connection: to an engine that may read the file.
        path: the file.
        form: how its lines are read.
        scratch: where what they say goes.
        bad_rows: whether malformed lines are refused, or counted and left out.

    Raises:
        InputError: a line is malformed and those are not skipped, or most are, or it is the last
            and without an end; the file is missing, empty, cut or no gzip file.
    """
    name = str(len(list(scratch.glob("*.parquet"))))
    copy = None if is_plain(path) else scratch / f"{name}.unpacked"
    size = measured(path, copy=copy)
    if not size.num_lines:
        raise no_rows(path)
    before = header(path).line if form.has_header else 0
    made = scratch / f"{name}.parquet"
    try:
        with refusals():
            num_lines = _copied(connection, copy or path, before, form, made)
    except Refused:  # no UTF-8, or control characters
        num_lines = -1
    if num_lines != size.num_lines - before:
        _copied_exactly(connection, path, before, form, made)
    source = f"read_parquet({quoted(literal(made))}, file_row_number = true)"
    rows = f"SELECT * RENAME (file_row_number AS line) FROM {source}"
    if form.places:
        place = f"(row_number() OVER (ORDER BY line) - 1)::VARCHAR AS {form.places}"
        rows = f"SELECT *, {place} FROM ({rows}) WHERE fault IS DISTINCT FROM 0"
    counts = f"SELECT count(*) FILTER (fault IS NULL), count(*) FILTER (fault > 0) FROM ({rows})"
    num_read, num_skipped = connection.execute(counts).fetchall()[0]
    first = ""
    if num_skipped:
        last_line = None if size.is_ended else size.num_lines - before - 1
        first = _first_fault(connection, path, form, rows, before, last_line, bad_rows)
    _check_share(path, num_read, num_skipped, first)
    good = f"SELECT * EXCLUDE (fault, received) FROM ({rows}) WHERE fault IS NULL"
    return Lines(path, good, num_read, num_skipped, first, size.is_ended)


def _copied(
    connection: duckdb.DuckDBPyConnection,
    text: pathlib.Path,
    before: int,
    form: Form,
    made: pathlib.Path,
) -> int:
    """Write what each line says to Parquet; how many lines there are."""
    source = (
        f"read_csv({quoted(literal(text))}, columns = {{line: 'VARCHAR'}}, auto_detect = false, "
        f"header = false, delim = '{_MARK}', quote = '', escape = '', new_line = '\\n', "
        f"skip = {before}, strict_mode = true, compression = 'none', hive_partitioning = false, "
        f"max_line_size = {_LONGEST})"
    )
    checks = _checks(form)
    faults = " ".join(f"WHEN {each.is_bad} THEN {at}" for at, each in enumerate(checks, 1))
    said = " ".join(
        f"WHEN {at} THEN to_json({each.received})::VARCHAR" for at, each in enumerate(checks, 1)
    )
    columns = ", ".join(f"{sql} AS {name}" for name, sql in form.columns.items())
    is_blank = r"coalesce(NOT regexp_matches(line, '\S'), true)"
    fault = f"CASE WHEN {is_blank} THEN 0 {faults} END::UTINYINT AS fault"
    split = f"SELECT line, {form.fields} AS f FROM {source}"
    judged = f"SELECT *, {fault} FROM (SELECT line, f, {columns} FROM ({split}))"
    names = ", ".join(form.columns)
    query = f"SELECT {names}, fault, CASE fault {said} END AS received FROM ({judged})"
    target = quoted(str(made))
    (found,) = connection.execute(f"COPY ({query}) TO {target} (FORMAT parquet)").fetchall()
    return int(found[0])


def _checks(form: Form) -> tuple[Check, ...]:
    is_no_text = f"starts_with(line, '{_NO_TEXT}')"
    return Check(is_no_text, "UTF-8", "substr(line, 2)"), *form.checks


def _copied_exactly(
    connection: duckdb.DuckDBPyConnection,
    path: pathlib.Path,
    before: int,
    form: Form,
    made: pathlib.Path,
) -> None:
    """As `_copied`, of a copy without what DuckDB does not read in a line of text."""
    clean = made.with_suffix(".clean")
    with opened(path) as file, clean.open("w", encoding="utf-8", newline="\n") as copy:
        for line in file:
            try:
                text = line.decode().rstrip("\r\n").translate(_CONTROL)
            except UnicodeDecodeError as error:
                text = _NO_TEXT + repr(line[error.start : error.start + 60])
            copy.write(f"{text}\n")
    try:
        with refusals():
            _copied(connection, clean, before, form, made)
    except Refused as error:
        raise InputError(
            f"Expected lines of at most {_LONGEST:,} bytes in {path}. Received: "
            f"{short(told(error))}. Get the file again."
        ) from error
    clean.unlink()


def _first_fault(
    connection: duckdb.DuckDBPyConnection,
    path: pathlib.Path,
    form: Form,
    rows: str,
    before: int,
    cut: int | None,
    bad_rows: Literal["stop", "skip"],
) -> str:
    """What is wrong with the first malformed line.

    Raises:
        InputError: they are not skipped, or line `cut` is one.
    """
    query = f"SELECT line, fault, received FROM ({rows}) WHERE fault > 0"
    found = connection.execute(f"{query} ORDER BY line LIMIT 1").fetchall()
    if cut is not None and bad_rows == "skip":
        found = connection.execute(f"{query} AND line = {cut}").fetchall() or found
    line, fault, received = found[0]
    value = json.loads(received) if received else None
    said = "an empty field" if value is None else short(value) if str(value) == value else value
    expected = _checks(form)[fault - 1].expected
    where = f"Expected {expected}. Received: {said} in line {before + line + 1} of {path}"
    if line == cut:
        raise InputError(
            f"{where}, its last, which has no line end: the file may be cut short. "
            "Get it again, or remove that line."
        )
    if bad_rows == "stop":
        raise InputError(f"{where}. Mend or remove that line, or pass `--bad-rows skip`.")
    return where


def _check_share(path: pathlib.Path, num_read: int, num_skipped: int, first: str) -> None:
    if num_skipped > num_read:
        raise InputError(
            f"Expected a few malformed rows at most in {path}. Received: "
            f"{num_skipped:,} of {num_skipped + num_read:,}, the first: {first}. "
            "Is it another file?"
        )
    if num_skipped:
        logger.warning(
            "%s: skipped %s malformed rows, the first: %s", path, f"{num_skipped:,}", first
        )
