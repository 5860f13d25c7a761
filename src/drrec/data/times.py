"""Times as logs have them, to whole seconds since 1970 and an order within these."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from drrec.data.readers.checks import LATEST

_UNITS = (("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9))


class Times(NamedTuple):
    """Times of R rows."""

    seconds: np.ndarray  # [R] int64
    rank: np.ndarray  # [R] what to sort by: finer than seconds where the log is
    form: str  # what was read, in words
    bad: np.ndarray  # [R] bool: no time, or not before 2200 and from 1970 on


def read_times(column: pd.Series) -> Times:
    """Read numbers since 1970, in a unit that their size tells, or dates of ISO 8601.

    Dates without a zone are of UTC; whole numbers of eight digits that are all dates, such as
    20240131, are days.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return _of_dates(column, "dates")
    numbers = column if pd.api.types.is_numeric_dtype(column) else _as_numbers(column)
    if numbers is not None:
        values = numbers.to_numpy(np.float64, na_value=np.nan)
        days = _days(values)
        return _of_dates(days, "days") if days is not None else _of_numbers(values)
    text = column.astype(str).str.strip()
    return _of_dates(pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce"), "dates")


def _as_numbers(column: pd.Series) -> pd.Series | None:
    """A column of text as numbers; None if most of it is none."""
    text = column.astype(str)
    # Python and pandas read 1_000 as a number, and no file means that.
    numbers = pd.to_numeric(text.where(~text.str.contains("_")), errors="coerce")
    return numbers if numbers.notna().mean() >= 0.5 else None


def _of_numbers(values: np.ndarray) -> Times:
    known = values[np.isfinite(values)]
    # A row alone in another unit than the rest is bad, and the rest says which unit it is.
    typical = float(np.median(known)) if len(known) else 0.0
    name, unit = next(
        ((name, unit) for name, unit in _UNITS if typical < LATEST * unit), _UNITS[-1]
    )
    bad = ~((values >= 0) & (values < LATEST * unit))
    if unit > 1:
        bad = bad | (values < LATEST * unit // 10**3)  # a time of its own in a coarser unit
    sound = np.where(bad, 0, values)
    return Times((sound // unit).astype(np.int64), sound, name, bad)


def _of_dates(dates: pd.Series, form: str) -> Times:
    bad = dates.isna().to_numpy()
    moments = dates.dt.tz_convert("UTC").dt.tz_localize(None) if dates.dt.tz else dates
    fine = moments.to_numpy("datetime64[us]").astype(np.int64)
    seconds = fine // 10**6
    bad = bad | (seconds < 0) | (seconds >= LATEST)
    sound = np.where(bad, 0, fine)
    return Times(sound // 10**6, sound, form, bad)


def _days(values: np.ndarray) -> pd.Series | None:
    """Numbers such as 20240131 as days; None unless all of them are."""
    if not ((values >= 19700101) & (values < 22000101) & (values == np.floor(values))).all():
        return None
    days = pd.to_datetime(
        pd.Series(values.astype(np.int64).astype(str)), format="%Y%m%d", errors="coerce"
    )
    return None if days.isna().any() else days
