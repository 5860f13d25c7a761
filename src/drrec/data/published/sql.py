"""How the lines of published files are read, in expressions of SQL."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from drrec.data.engine import BLANKS, quoted
from drrec.data.readers.checks import LARGEST_RATING, LATEST
from drrec.data.scale import TAKEN
from drrec.data.times import number

_CONTROL = r"'[\x00-\x1f\x7f]'"
_MILLISECONDS_FROM = 10**11
"""1973 in milliseconds, and the year 5138 in seconds."""

_FIELD = r'"(?:[^"]|"")*"|[^",][^,]*|'
_PAIR = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF = r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}"


class Check(NamedTuple):
    """A test of each line, and what to say of one that fails it."""

    is_bad: str  # expression
    expected: str  # in words
    received: str = "line"  # expression; NULL is said to be an empty field


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """How the lines of a file are read: expressions of SQL."""

    fields: str
    """Of `line`; the others call it `f`."""
    columns: dict[str, str]
    """Of `line` and `f`."""
    checks: tuple[Check, ...] = ()
    """Of all of these, in order."""
    has_header: bool = False
    places: str = ""
    """Column with the place of each line, from 0, among those that are not blank."""


def log_form(
    fields: str,
    user: str,
    item: str,
    milliseconds: str,
    *checks: Check,
    rating: str = f"'{TAKEN:g}'",
    has_header: bool = False,
    **columns: str,
) -> Form:
    """A form of a log, whose ids, ratings and times are checked after all else.

    Args:
        fields: of the line.
        user: text; blanks around it are no part of it.
        item: as `user`.
        milliseconds: since 1970, a BIGINT.
        *checks: of the line.
        rating: text.
        has_header: whether the first line names the columns.
        **columns: others, such as title, or a rating that is no number as it stands.
    """
    ids, plain = ("user", "item"), " without control characters"
    sound_rating = f"abs(rating) <= {LARGEST_RATING!r}::DOUBLE"
    sound_time = f"milliseconds >= 0 AND milliseconds < {LATEST * 1000}"
    return Form(
        fields=fields,
        columns={
            "user": _stripped(user),
            "item": _stripped(item),
            "rating": number(rating, "VARCHAR"),
            "milliseconds": milliseconds,
            "title": "''",
            **columns,
        },
        checks=(
            *checks,
            *(Check(f"coalesce({k}, '') = ''", f"a {k} id", "NULL") for k in ids),
            *(Check(f"regexp_matches({k}, {_CONTROL})", f"a {k} id{plain}", k) for k in ids),
            Check(no(sound_rating), "a rating that is a finite number", rating),
            Check(
                no(sound_time),
                "a time from 1970 to the year 2200, in seconds since 1970",
                "milliseconds // 1000",
            ),
        ),
        has_header=has_header,
    )


def _stripped(text: str) -> str:
    around = f"'^{BLANKS}|{BLANKS}$'"
    return (
        f"CASE WHEN regexp_matches({text}, {around}) "
        f"THEN regexp_replace({text}, {around}, '', 'g') ELSE {text} END"
    )


def no(condition: str) -> str:
    """Whether a condition does not hold, or is about nothing."""
    return f"NOT coalesce({condition}, false)"


def since_1970(stamp: str) -> str:
    """Milliseconds, from whole seconds, or from milliseconds where those would be past 5138."""
    value = number(stamp, "VARCHAR")
    factor = f"CASE WHEN {value} >= {_MILLISECONDS_FROM} THEN 1 ELSE 1000 END"
    return f"TRY_CAST({value} * {factor} AS BIGINT)"


def whole(stamp: str) -> Check:
    """That it is what `since_1970` reads."""
    value = number(stamp, "VARCHAR")
    is_whole = f"{value} = floor({value}) AND abs({value}) < 1e15"
    return Check(no(is_whole), "seconds or milliseconds since 1970", stamp)


TABS = "string_split(line, chr(9))"
"""The fields of a line between tabs, in which quotes are plain."""

CSV = f"""
CASE WHEN NOT contains(line, '"') THEN string_split(line, ',')
WHEN regexp_full_match(',' || line, '(?:,(?:{_FIELD}))*')
THEN list_transform(
    regexp_extract_all(',' || line, ',({_FIELD})', 1),
    lambda x: CASE WHEN starts_with(x, '"') THEN replace(substr(x, 2, len(x) - 2), '""', '"')
    ELSE x END
) END"""
"""The fields of a line of comma-separated text; NULL where a quote is left open."""


def num_fields(count: int, words: str = "fields") -> tuple[Check, Check]:
    """That a line has so many."""
    expected = f"{count} {words}"
    return Check("f IS NULL", expected), Check(f"len(f) <> {count}", expected, "len(f)")


# Half a character, which JSON may hold, is no text: it becomes a control character.
_MENDED = (
    rf"regexp_replace(regexp_replace(line, '(\\\\|{_PAIR})|{_HALF}', '\1' || chr(127), 'g'), "
    rf"'(\\\\|{_PAIR})' || chr(127), '\1', 'g')"
)


def _json(expression: str) -> str:
    return (
        f"CASE WHEN json_valid(line) THEN {expression.format('line')} "
        f"WHEN contains(line, '\\u') AND json_valid({_MENDED}) "
        f"THEN {expression.format(_MENDED)} END"
    )


JSON = _json("{}")
"""The object in a line of JSON, as text; NULL where there is none."""


def json_fields(*names: str) -> str:
    """The values that the object in a line of JSON has under these names, as text."""
    pointers = ", ".join(quoted(f"/{name}") for name in names)
    return _json(f"json_extract_string({{}}, [{pointers}])")


def has_fields(*names: str) -> tuple[Check, ...]:
    """That a line has what `json_fields` gives."""
    return (
        Check("f IS NULL", "JSON"),
        Check("f[1] IS NULL AND NOT starts_with(trim(line), '{')", "a JSON object"),
        *(Check(f"f[{at}] IS NULL", f"the field {name}") for at, name in enumerate(names, 1)),
    )
