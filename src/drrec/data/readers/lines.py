"""Lines of delimited text, each with its number: exact, slow, and made for error messages."""

from __future__ import annotations

import csv
import dataclasses
import re
from typing import TYPE_CHECKING

from drrec.errors import InputError

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable, Iterator

ENCODINGS = ("utf-8-sig", "latin-1")
"""Tried in this order: text in Latin-1 with an accent in it is hardly ever valid UTF-8."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """How a delimited file is laid out."""

    separator: str
    num_fields: int
    has_header: bool = False
    is_quoted: bool = False
    """Whether a field in double quotes may hold the separator."""


def first_line(path: pathlib.Path) -> str:
    """The first line of a text file, without its end and its BOM.

    Raises:
        InputError: the file is missing, or empty.
    """
    try:
        with path.open("rb") as file:
            line = file.readline(1 << 16)
    except OSError as error:
        raise unreadable(path, error) from error
    if not line:
        raise no_rows(path)
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = line.decode("latin-1")
    return re.split("[\r\n]", text, maxsplit=1)[0]


def numbered(path: pathlib.Path, table: Table, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """The rows after the header, blank lines left out, with their 1-based line numbers.

    Raises:
        InputError: the file cannot be read, or a row has not `num_fields` fields.
        UnicodeDecodeError: the file is in another encoding.
    """
    try:
        with path.open(encoding=encoding, newline="") as file:
            rows = _quoted(file, table) if table.is_quoted else _plain(file, table)
            for number, row in rows:
                is_blank = len(row) < 2 and not "".join(row).strip()
                if number == table.has_header or is_blank:
                    continue
                if len(row) != table.num_fields:
                    raise InputError(
                        f"Expected {table.num_fields} fields separated by {table.separator!r} in "
                        f"line {number} of {path}. Received: {len(row)}. The file may be cut "
                        "short: mend that line or get the file again."
                    )
                yield number, row
    except OSError as error:
        raise unreadable(path, error) from error
    except csv.Error as error:
        raise InputError(
            f"Expected delimited text in {path}. Received: {error}. Get the file again."
        ) from error


def no_rows(path: pathlib.Path) -> InputError:
    """The error for a file that holds nothing."""
    return InputError(
        f"Expected at least one rating in {path}. Received: an empty file. Get it again."
    )


def unreadable(path: pathlib.Path, error: OSError) -> InputError:
    """The error for a file that is not there or may not be read."""
    return InputError(
        f"Expected a readable file at {path}. Received: {error.strerror or error}. "
        "Check the path and its permissions."
    )


def _plain(file: Iterable[str], table: Table) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(file, start=1):
        yield number, line.rstrip("\r\n").split(table.separator)


def _quoted(file: Iterable[str], table: Table) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(file, delimiter=table.separator)
    number = 1
    for row in reader:
        yield number, row
        number = reader.line_num + 1  # a quoted field may span lines
