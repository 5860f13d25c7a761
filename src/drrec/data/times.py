"""Times as logs have them, to whole seconds since 1970 and an order within these."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.data.readers.checks import LATEST

if TYPE_CHECKING:
    from drrec.data.readers.staged import Staged

_UNITS = (("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9))

_ISO = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?( ?Z|[+-]\d\d(:?\d\d)?)?)?"
"""Dates that DuckDB reads as pandas does, which reads all others."""


class Times(NamedTuple):
    """How the column `timestamp` of a table `raw` is read."""

    form: str  # in words
    unit: int  # what a second is in `rank`
    rank: str  # expression of what to sort by; NULL for no time, or not from 1970 to 2200
    is_joined: bool = False  # with a table `odd_times`


def number(column: str, type_: str) -> str:
    """An expression of the number that a column holds, NULL where it holds none."""
    # DuckDB and Python read 1_000 as a number, and no file means that.
    if type_ == "VARCHAR":
        return f"CASE WHEN NOT contains({column}, '_') THEN TRY_CAST({column} AS DOUBLE) END"
    return f"{column}::DOUBLE"


def read_times(raw: Staged) -> Times:
    """Read numbers since 1970, in a unit that their size tells, or dates of ISO 8601.

    Dates without a zone are of UTC; whole numbers of eight digits that are all dates, such as
    20240131, are days.
    """
    type_ = raw.types["timestamp"]
    if type_ == "TIMESTAMP":
        return _of_microseconds("epoch_us(timestamp)", "dates")
    value = number("timestamp", type_)
    (share,) = raw.one(f"SELECT avg(coalesce(NOT isnan({value}), false)::INT) FROM raw")
    if type_ == "VARCHAR" and share < 0.5:
        return _of_text(raw)
    is_day = f"{value} >= 19700101 AND {value} < 22000101 AND {value} = floor({value})"
    if raw.one(f"SELECT bool_and(coalesce({is_day}, false)) FROM raw")[0]:
        day = f"try_strptime({value}::BIGINT::VARCHAR, '%Y%m%d')"
        if raw.one(f"SELECT bool_and({day} IS NOT NULL) FROM raw")[0]:
            return _of_microseconds(f"epoch_us({day})", "days")
    return _of_numbers(raw, value)


def _of_numbers(raw: Staged, value: str) -> Times:
    # A row alone in another unit than the rest is bad, and the rest says which unit it is.
    below = ", ".join(f"count(*) FILTER ({value} < {LATEST * unit})" for _, unit in _UNITS)
    known, *counts = raw.one(f"SELECT count(*), {below} FROM raw WHERE isfinite({value})")
    if known in [2 * count for count in counts]:  # the median is between two units
        (typical,) = raw.one(f"SELECT median({value}) FROM raw WHERE isfinite({value})")
        counts = [known * (typical < LATEST * unit) for _, unit in _UNITS]
    most = [each for each, count in zip(_UNITS, counts, strict=True) if 2 * count >= known]
    form, unit = most[0] if most else _UNITS[-1]
    least = LATEST * unit // 10**3 if unit > 1 else 0  # less is a time in a coarser unit
    sound = f"{value} >= {least} AND {value} < {LATEST * unit}"
    return Times(form, unit, f"CASE WHEN {sound} THEN {value} END")


def _of_text(raw: Staged) -> Times:
    import pandas as pd

    text = "trim(timestamp)"
    plain = f"regexp_full_match({text}, '{_ISO}')"
    query = f"SELECT DISTINCT timestamp AS text FROM raw WHERE NOT {plain} AND timestamp <> ''"
    odd = raw.arrays(query)["text"]
    read = pd.to_datetime(
        pd.Series(odd, dtype=object).astype(str).str.strip(),
        format="ISO8601", utc=True, errors="coerce",
    )  # fmt: skip
    known = read.notna().to_numpy()
    fine = read[known].dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)
    raw.give("odd_times", {"text": odd[known], "us": fine})
    date = f"CASE WHEN {plain} THEN epoch_us(TRY_CAST({text} AS TIMESTAMPTZ)) ELSE odd_times.us END"
    return _of_microseconds(date, "dates")._replace(is_joined=True)


def _of_microseconds(value: str, form: str) -> Times:
    sound = f"{value} >= 0 AND {value} < {LATEST * 10**6}"
    return Times(form, 10**6, f"CASE WHEN {sound} THEN ({value})::DOUBLE END")
