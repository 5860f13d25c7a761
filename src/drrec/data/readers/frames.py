"""Logs that are data frames of pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from drrec.data.readers.staged import NUMBERS

if TYPE_CHECKING:
    from drrec.data.readers.staged import Staged


def read(frame: pd.DataFrame, log: Staged) -> None:
    """Append the rows of a frame whose columns are named as those of a log are."""
    columns = {str(name): _plain(frame[name], str(name)) for name in frame}
    log.give("frame", columns)
    log.add(
        log.name, "frame", {name: name for name in columns}, lambda row: f"row {row} of {log.name}"
    )
    log.connection.execute("DROP TABLE frame")


def _plain(column: pd.Series, name: str) -> np.ndarray:
    """Numbers and dates as they are, all else as text."""
    if name == "timestamp" and pd.api.types.is_datetime64_any_dtype(column):
        utc = column.dt.tz_convert("UTC").dt.tz_localize(None) if column.dt.tz else column
        return utc.to_numpy("datetime64[us]")
    is_number = pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column)
    if name in NUMBERS and is_number:
        return column.to_numpy(np.float64, na_value=np.nan)
    try:
        codes, found = pd.factorize(column.to_numpy(object), use_na_sentinel=True)
    except TypeError:  # lists and objects
        codes, found = pd.factorize(column.map(str).to_numpy(object), use_na_sentinel=True)
    return np.array([*map(str, found.tolist()), None], object)[codes]
