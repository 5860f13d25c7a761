"""What a published log says in each of its rows, and the rows as compact arrays."""

from __future__ import annotations

import array
import csv
import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from drrec.data.config import LogConfig
from drrec.data.readers import checks
from drrec.data.readers.streams import Fault
from drrec.errors import shown, told

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Literal

    from drrec.data.published.config import PrepareConfig

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""In no id: what would break a line of text, and the halves of characters that JSON may hold."""
_MILLISECONDS_FROM = 10**11
"""1973 in milliseconds, and the year 5138 in seconds."""


class Row(NamedTuple):
    """An interaction of a user with an item."""

    user: str
    item: str
    rating: float
    milliseconds: int  # since 1970
    title: str = ""


class Words(NamedTuple):
    """What one item is called."""

    item: str
    title: str
    genres: Sequence[str]


class WordsFile(NamedTuple):
    """Where the titles are, and what a line of that file says."""

    path: pathlib.Path
    parse: Callable[[str], Words]
    has_header: bool = False


class Layout(NamedTuple):
    """How the lines of a log are read."""

    parse: Callable[[str], Row | list[Row]]
    has_header: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """A data set that is got by hand."""

    files: tuple[str, ...]
    """Patterns of the log's name, any of which will do."""
    page: str
    """Web page with download and licence."""
    layout: Callable[[str, PrepareConfig], Layout]
    """From the log's first line."""
    words: Callable[[pathlib.Path], WordsFile | None]
    """From the log's path; None where the log names its items."""
    min_user: int = 5
    min_item: int = 5
    bad_rows: Literal["stop", "skip"] = "stop"
    is_rated: bool = True
    is_timed: bool = True
    has_sessions: bool = False
    test: str = ""
    """File beside the log with feedback that users did not choose to give: the test part."""
    is_matrix: bool = False
    """Whether the files are matrices of one size, a line for each user."""
    is_ended: bool = False
    """Whether a file without an end of its last line is cut short, whatever that line says."""
    log: LogConfig = dataclasses.field(default_factory=LogConfig)
    """What the ratings mean."""


class RawLog:
    """Rows as compact arrays, 20 bytes each; ids as numbers in the order that they came in."""

    def __init__(
        self, rows: Iterable[Row | list[Row]], test_rows: Iterable[Row | list[Row]] = ()
    ) -> None:
        """`rows` of the log, and those of its test part if that is in a file of its own."""
        self.users: dict[str, int] = {}
        self.items: dict[str, int] = {}
        self.titles: dict[int, str] = {}
        user, item = array.array("i"), array.array("i")
        rating, milliseconds = array.array("f"), array.array("q")
        for part in (rows, test_rows):
            num_before = len(user)
            for row in _flat(part):
                user.append(self.users.setdefault(row.user, len(self.users)))
                number = self.items.setdefault(row.item, len(self.items))
                item.append(number)
                rating.append(row.rating)
                milliseconds.append(row.milliseconds)
                if row.title and number not in self.titles:
                    self.titles[number] = row.title
        self.user = np.frombuffer(user, np.int32)  # [R]
        self.item = np.frombuffer(item, np.int32)  # [R]
        self.rating = np.frombuffer(rating, np.float32)  # [R]
        self.milliseconds = np.frombuffer(milliseconds, np.int64)  # [R]
        self.is_test = np.arange(len(user)) >= num_before  # [R] bool


def _flat(rows: Iterable[Row | list[Row]]) -> Iterator[Row]:
    """Line by line, of which one of a matrix holds several."""
    for each in rows:
        if isinstance(each, list):
            yield from each
        else:
            yield each


def rated(user: str, item: str, rating: Any, milliseconds: int, title: str = "") -> Row:
    """A row, once it is known to be one.

    Raises:
        Fault: an id is empty or has a control character, or a number is out of range.
    """
    user, item = user.strip(), item.strip()
    value = rating if isinstance(rating, float) else checks.number(str(rating))
    is_plain = user and item and not _CONTROL.search(user) and not _CONTROL.search(item)
    if not is_plain or not abs(value) <= checks.LARGEST_RATING:
        raise Fault(_why(user, item, rating))
    if not 0 <= milliseconds < checks.LATEST * 1000:
        raise Fault(
            "Expected a time from 1970 to the year 2200. Received: "
            f"{shown(milliseconds // 1000, 40)} seconds since 1970"
        )
    return Row(user, item, value, milliseconds, title)


def _why(user: str, item: str, rating: Any) -> str:
    for kind, raw in (("user", user), ("item", item)):
        if _CONTROL.search(raw):
            return f"Expected a {kind} id without control characters. Received: {checks.short(raw)}"
    return checks.row_fault(user, item, str(rating), "0") or "Expected a rating"


def since_1970(stamp: Any) -> int:
    """Milliseconds, from whole seconds, or from milliseconds where those would be past 5138.

    Raises:
        Fault: it is no whole number.
    """
    try:
        value = int(stamp)
        if "_" in stamp if isinstance(stamp, str) else value != stamp:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        text = checks.short(str(stamp))
        raise Fault(f"Expected seconds or milliseconds since 1970. Received: {text}") from None
    return value if value >= _MILLISECONDS_FROM else value * 1000


def csv_fields(line: str, num_fields: int) -> list[str]:
    """The fields of a line of comma-separated text.

    Raises:
        Fault: there are more or fewer than `num_fields`, or a quote is left open.
    """
    try:
        fields = next(csv.reader([line], strict=True), []) if '"' in line else line.split(",")
    except csv.Error as error:
        raise Fault(f"Expected {num_fields} fields. Received: {told(error)}") from None
    if len(fields) != num_fields:
        raise Fault(f"Expected {num_fields} fields. Received: {len(fields)}")
    return fields


def json_object(line: str) -> dict[str, Any]:
    """The object in a line of JSON.

    Raises:
        Fault: it is none.
    """
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Fault(f"Expected JSON. Received: {told(error)}") from None
    if not isinstance(values, dict):
        raise Fault(f"Expected a JSON object. Received: {checks.short(line)}")
    return values


def json_fields(line: str, *names: str) -> list[Any]:
    """The values that the object in a line of JSON has under these names.

    Raises:
        Fault: it is no object, or lacks one.
    """
    values = json_object(line)
    for name in names:
        if values.get(name) is None:
            raise Fault(f"Expected the field {name}. Received: {checks.short(line)}")
    return [values[name] for name in names]
