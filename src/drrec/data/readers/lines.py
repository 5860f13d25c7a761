"""Lines of delimited text, each with its number: exact, slow, and made for error messages."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from typing import TYPE_CHECKING, NamedTuple

from drrec.data.readers import columns
from drrec.data.readers.opened import BROKEN, ENCODINGS, damaged, measured, opened, unreadable
from drrec.errors import InputError, shown, told

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable, Iterator

_LONGEST = 1 << 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """How a delimited file is laid out."""

    separator: str
    num_fields: int
    before: int = 0
    """Lines before the first row: the header, and what stands above it."""
    is_quoted: bool = False
    """Whether a field in double quotes may hold the separator."""


class Header(NamedTuple):
    """The line that names the columns."""

    text: str
    line: int  # its number, from 1
    separator: str | None  # that a line `sep=;` above it names


class Row(NamedTuple):
    """The fields of a line."""

    line: int  # its number, from 1
    fields: list[str]


def header(path: pathlib.Path) -> Header:
    """The first line of a text file that is no comment, without its end and its BOM.

    Blank lines, lines that begin with `#`, and Excel's `sep=;` may stand above it.

    Raises:
        InputError: the file is missing, or has no such line.
    """
    separator = None
    try:
        with opened(path) as file:
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST), b""), start=1):
                text = re.split("[\r\n]", decoded(line.removeprefix(b"\xef\xbb\xbf")))[0]
                if given := re.fullmatch(r"sep=(.)[,;\t|]*", text.strip(), re.IGNORECASE):
                    separator = given[1]
                elif text.strip() and not text.startswith("#"):
                    return Header(text, number, separator)
    except OSError as error:
        raise unreadable(path, error) from error
    except BROKEN as error:
        raise damaged(path, error) from error
    raise no_rows(path)


def decoded(line: bytes) -> str:
    """Text in the first of `ENCODINGS` that fits."""
    for encoding in ENCODINGS[:-1]:
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    return line.decode(ENCODINGS[-1])


def numbered(path: pathlib.Path, table: Table, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """The rows, blank lines and comments left out, with their 1-based line numbers.

    Raises:
        InputError: the file cannot be read, or a row has not `num_fields` fields, or a quoted
            field has swallowed rows.
        UnicodeDecodeError: the file is in another encoding.
    """
    try:
        with io.TextIOWrapper(opened(path), encoding=encoding, newline="") as file:
            rows = _quoted(path, file, table) if table.is_quoted else _plain(file, table)
            for number, row in rows:
                is_blank = len(row) < 2 and not "".join(row).strip()
                if number <= table.before or is_blank or is_comment(row, table):
                    continue
                if len(row) != table.num_fields:
                    raise InputError(
                        f"Expected {table.num_fields} fields separated by "
                        f"{shown(table.separator)} in "
                        f"line {number} of {path}. Received: {len(row)}. The file may be cut "
                        "short: mend that line or get the file again."
                    )
                yield number, row
    except OSError as error:
        raise unreadable(path, error) from error
    except BROKEN as error:
        raise damaged(path, error) from error
    except csv.Error as error:
        raise InputError(
            f"Expected delimited text in {path}. Received: {told(error)}. Get the file again."
        ) from error


def small_table(path: pathlib.Path, separators: str = ",") -> tuple[list[str], list[Row]]:
    """All of a small file with a header: the names of its columns, and its rows.

    Args:
        path: the file.
        separators: of which the one that is most in the header counts.

    Raises:
        InputError: the file is missing, or a row has too few fields or too many.
    """
    measured(path)
    found = header(path)
    separator = found.separator or max(separators, key=found.text.count)
    names = columns.split_header(found.text, separator, is_quoted=True)
    table = Table(
        separator=separator, num_fields=len(names), before=found.line, is_quoted=separator != "\t"
    )
    csv.field_size_limit(1 << 24)
    for encoding in ENCODINGS:
        try:
            rows = [Row(number, fields) for number, fields in numbered(path, table, encoding)]
        except UnicodeDecodeError:
            continue
        return names, rows
    raise AssertionError  # Latin-1 decodes every byte


def is_comment(row: list[str], table: Table) -> bool:
    """Whether a line that is no row begins with `#`."""
    return row[0].startswith("#") and len(row) != table.num_fields


def no_rows(path: pathlib.Path) -> InputError:
    """The error for a file that holds nothing."""
    return InputError(
        f"Expected at least one rating in {path}. Received: an empty file. Get it again."
    )


def _plain(file: Iterable[str], table: Table) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(file, start=1):
        yield number, line.rstrip("\r\n").split(table.separator)


def _quoted(
    path: pathlib.Path, file: Iterable[str], table: Table
) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(file, delimiter=table.separator)
    number = 1
    for row in reader:
        if reader.line_num > number and any(_has_rows(field, table) for field in row):
            raise InputError(
                f"Expected a closing quote in line {number} of {path}. Received: a field in "
                f'quotes that goes on to line {reader.line_num}. Remove the `"`, or double it.'
            )
        yield number, row
        number = reader.line_num + 1  # a quoted field may span lines


def _has_rows(field: str, table: Table) -> bool:
    """Whether lines of a quoted field, the first and the last apart, look like rows."""
    inner = field.splitlines()[1:]
    return any(line.count(table.separator) >= table.num_fields - 1 > 0 for line in inner)
