"""Delimited text to ratings: fast where all is well, line by line to name the line that is not."""

from __future__ import annotations

import csv
import dataclasses
import logging
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from drrec.data.interactions import ONLY_TAKEN, Interactions, Repeats
from drrec.data.readers import checks, lines
from drrec.errors import InputError

if TYPE_CHECKING:
    import pathlib

logger = logging.getLogger(__name__)

IMPLICIT_RATING = ONLY_TAKEN
"""What a row without a rating of its own counts as: chosen, hence the top reward, (5 − 3) / 2."""


_PIECE = 1 << 19


@dataclasses.dataclass(frozen=True, kw_only=True)
class RatingTable(lines.Table):
    """A delimited file of ratings, and which of its columns is what."""

    user: int
    item: int
    rating: int | None = None
    """None where every row counts as `IMPLICIT_RATING`."""
    timestamp: int | None = None
    """None where the order of the rows is the order in time."""
    part: int | None = None
    """None where the rows have not been divided into train, validation and test."""
    session: int | None = None
    """None where nobody says which rows were one sitting."""

    @property
    def columns(self) -> dict[str, int]:
        """The columns that there are, by name."""
        names = ("user", "item", "rating", "timestamp", "part", "session")
        return {name: index for name in names if (index := getattr(self, name)) is not None}


def read_interactions(path: pathlib.Path, table: RatingTable) -> Interactions:
    """Read and check all ratings of a file: see `read_log`."""
    return read_log(path, table)[0]


def read_log(
    path: pathlib.Path, table: RatingTable, repeats: Repeats = "drop"
) -> tuple[Interactions, np.ndarray | None]:
    """Read and check all ratings of a file: UTF-8 with or without BOM, or Latin-1.

    Args:
        path: the file.
        table: how it is laid out.
        repeats: whether to keep all rows of a repeated (user, item) pair.

    Returns:
        The ratings, and [R] int8 their parts of the `given` split, None without such a column.

    Raises:
        InputError: the file is missing, empty or cut, or a row is no rating (the message says
            which line), or all rows are one user's.
    """
    for encoding in lines.ENCODINGS:
        try:
            interactions, parts = _read(path, table, encoding, repeats)
        except UnicodeDecodeError:
            continue
        except OSError as error:
            raise lines.unreadable(path, error) from error
        if interactions.num_users < 2:
            raise InputError(
                f"Expected at least two users in {path}. Received: one. "
                "A recommender learns from how people differ: add ratings of others."
            )
        return interactions, parts
    raise AssertionError  # Latin-1 decodes every byte


def _read(
    path: pathlib.Path, table: RatingTable, encoding: str, repeats: Repeats
) -> tuple[Interactions, np.ndarray | None]:
    try:
        frame = _parse(path, table, encoding)
    except UnicodeDecodeError:
        raise
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        raise _first_fault(path, table, encoding, str(error)) from error
    if frame.empty:
        raise lines.no_rows(path)
    rating = _ratings(path, frame)
    timestamp = np.arange(len(frame), dtype=np.float64)
    if table.timestamp is not None:
        timestamp = frame["timestamp"].to_numpy(np.float64)
    else:
        logger.warning("%s has no timestamps: the order of its rows stands for them", path)
    if not all((frame[gap] == "").all() for gap in frame if str(gap).startswith("gap")):
        raise _first_fault(path, table, encoding, "fields that run together")
    if table.timestamp == table.num_fields - 1:
        _check_end(path, timestamp)
    if table.part is not None and not frame["part"].isin((0, 1, 2)).all():
        raise _first_fault(path, table, encoding, "other parts than 0, 1 and 2")
    try:
        interactions, rows = Interactions.with_source_rows(
            frame["user"].to_numpy(),
            frame["item"].to_numpy(),
            rating,
            timestamp,
            session=frame["session"].to_numpy() if table.session is not None else None,
            repeats=repeats,
        )
    except InputError as error:
        raise _first_fault(path, table, encoding, str(error)) from error
    return interactions, None if table.part is None else frame["part"].to_numpy(np.int8)[rows]


def _ratings(path: pathlib.Path, frame: pd.DataFrame) -> np.ndarray:
    if "rating" in frame:
        rating = frame["rating"].to_numpy(np.float64)
        if len(np.unique(rating)) > 1 or not np.isfinite(rating).all():
            return rating
        found = f"the rating {rating[0]:g} throughout"
    else:
        found = "no ratings"
    logger.warning("%s has %s: each row counts as %g", path, found, IMPLICIT_RATING)
    return np.full(len(frame), IMPLICIT_RATING)


def _parse(path: pathlib.Path, table: RatingTable, encoding: str) -> pd.DataFrame:
    # The C parser takes one character. So "::" is read as ":" with an empty column in each gap.
    step = len(table.separator)
    names = [
        f"gap{index}" if index % step else f"other{index}"
        for index in range(table.num_fields * step - step + 1)
    ]
    for name, index in table.columns.items():
        names[index * step] = name
    numbers = [name for name in ("rating", "timestamp", "part") if name in table.columns]
    pieces, raw = [], {name: _Raw() for name in ("user", "item", "session") if name in names}
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # a first row that is too long
        with pd.read_csv(
            path,
            sep=table.separator[0],
            names=names,
            header=None,
            skiprows=int(table.has_header),
            index_col=False,
            dtype={name: np.float64 if name in numbers else object for name in names},
            keep_default_na=False,  # a user may be called NA
            na_values={name: [""] for name in numbers},
            quoting=csv.QUOTE_MINIMAL if table.is_quoted else csv.QUOTE_NONE,
            encoding=encoding,
            engine="c",
            chunksize=_PIECE,
        ) as reader:
            for piece in reader:
                kept = piece[[name for name in names if not name.startswith("other")]]
                pieces.append(kept.assign(**{name: raw[name].codes(kept[name]) for name in raw}))
    frame = pd.concat(pieces)
    return frame.assign(**{name: raw[name].texts(frame[name]) for name in raw})


class _Raw:
    """Raw ids of one column, each held once: pandas holds one for each row and piece."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def codes(self, column: pd.Series) -> np.ndarray:
        codes, found = pd.factorize(column.to_numpy())
        numbers = self._numbers
        known = [numbers.setdefault(text, len(numbers)) for text in found.tolist()]
        return np.array(known, np.int32)[codes]

    def texts(self, codes: pd.Series) -> pd.Series:
        return pd.Series(np.array([*self._numbers], object)[codes.to_numpy()], dtype=object)


def _first_fault(path: pathlib.Path, table: RatingTable, encoding: str, reason: str) -> InputError:
    """The error for the first bad line; `reason` if the exact reader finds none."""
    absent = {"rating": "5", "timestamp": "0"}
    for line, fields in lines.numbered(path, table, encoding):
        row = absent | {name: fields[index] for name, index in table.columns.items()}
        part = row.pop("part", "0")
        row.pop("session", None)
        if fault := checks.row_fault(**row) or checks.part_fault(part):
            return InputError(f"{fault} in line {line} of {path}. Mend or remove that line.")
    return InputError(
        f"Expected rows of ratings in {path}. Received: {checks.short(reason)}. Get the file again."
    )


def _check_end(path: pathlib.Path, timestamp: np.ndarray) -> None:
    with path.open("rb") as file:
        file.seek(-1, 2)
        is_ended = file.read() in (b"\n", b"\r")
    if not is_ended and checks.cut_short(timestamp):
        raise InputError(
            f"Expected a whole last row (row {len(timestamp)}) in {path}. Received: the timestamp "
            f"{timestamp[-1]:.0f} and no line end: the file is cut short. Get it again, or end its "
            "last line if it is whole."
        )
