"""From the columns of a log, whatever file they are from, to checked ratings: the one way in."""

from __future__ import annotations

import dataclasses
import logging
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from drrec.data import scale as scales
from drrec.data.config import LogConfig
from drrec.data.dataset import Dataset
from drrec.data.interactions import Interactions, Repeats
from drrec.data.readers.checks import LARGEST_RATING, NULLS, short
from drrec.data.readers.opened import check_rows
from drrec.data.readers.titles import sound_words
from drrec.data.times import read_times
from drrec.errors import InputError
from drrec.limits import current

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drrec.data.config import Kind

logger = logging.getLogger(__name__)

_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_YES_NO = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}


@dataclasses.dataclass(frozen=True, eq=False)
class LogFrame:
    """A log as its file has it, a row for each interaction."""

    frame: pd.DataFrame
    """Columns user and item; rating, timestamp, part, session, title and genres where known."""
    name: str
    """What to call the file in messages."""
    where: Callable[[int], str]
    """Where row r is, such as `line 7 of log.csv`."""
    kind: Kind = "rating"
    """What the column `rating` holds."""

    @classmethod
    def joined(cls, parts: Mapping[int, LogFrame]) -> LogFrame:
        """The rows of several files of one log, each of which is a part of the split `given`.

        Raises:
            InputError: they have not the same columns.
        """
        frames = list(parts.values())
        first = frames[0]
        for each in frames[1:]:
            if set(each.frame) != set(first.frame) or each.kind != first.kind:
                raise InputError(
                    f"Expected the columns of {first.name} in {each.name}, too. Received: "
                    f"{', '.join(map(str, each.frame))}. Mend its header."
                )
        ends = np.cumsum([len(each.frame) for each in frames])

        def where(row: int) -> str:
            file = int(np.searchsorted(ends, row, side="right"))
            return frames[file].where(row - (int(ends[file - 1]) if file else 0))

        parted = [each.frame.assign(part=part) for part, each in parts.items()]
        return cls(pd.concat(parted, ignore_index=True), first.name, where, first.kind)


class _Ids(NamedTuple):
    """Ids of R rows as text."""

    text: np.ndarray  # [R] object
    is_missing: np.ndarray  # [R] bool


def dataset_of(
    raw: LogFrame,
    dataset_name: str,
    config: LogConfig | None = None,
    repeats: Repeats = "drop",
    least_users: int = 2,
) -> Dataset:
    """Check a log and say what was understood by it.

    Rows without a user or an item are left out and counted, as are those whose rating is
    `config.unrated`. Blanks around ids are no part of them; `12.0` is `12` where all ids of the
    column are whole numbers. For ratings see `scale.scale_of`, for times `times.read_times`.

    Raises:
        InputError: a value is none of its kind (the message says where it is), the ratings show no
            scale, most rows have no id, or all rows are one user's.
    """
    config = config or LogConfig()
    frame = raw.frame
    check_rows(len(frame), raw.name)
    users, items = _ids(frame["user"], "user", raw), _ids(frame["item"], "item", raw)
    keep = _kept(users, items, raw)
    amount = _amounts(frame["rating"], raw) if "rating" in frame else None
    if amount is not None and config.unrated is not None:
        is_unrated = amount == config.unrated
        logger.warning("%s: %s rows are not rated and left out", raw.name, f"{is_unrated.sum():,}")
        keep &= ~is_unrated
    order = np.flatnonzero(keep)
    if len(order) == 0:
        raise InputError(f"Expected at least one rating in {raw.name}. Received: none.")
    if amount is not None:
        _check_finite(amount, order, raw)
    seconds, order = _times(frame, order, raw, is_named=bool(config.time_column))
    parts = _parts(frame["part"], order, raw) if "part" in frame else None
    kept = None if amount is None else amount[order]
    rating, weight, scale = _meant(kept, len(order), raw, config)
    log, rows = Interactions.with_source_rows(
        users.text[order],
        items.text[order],
        rating,
        seconds[order],
        session=frame["session"].to_numpy()[order] if "session" in frame else None,
        repeats=repeats,
        weight=weight,
    )
    if log.num_users < least_users:
        raise InputError(
            f"Expected at least two users in {raw.name}. Received: one. "
            "A recommender learns from how people differ: add ratings of others."
        )
    words: dict[str, Any] = {}
    for column, name in (("title", "titles"), ("genres", "genres")):
        if column in frame:
            words[name] = _words(frame[column].to_numpy()[order][rows], log, column, raw)
    words.setdefault("titles", np.full(log.num_items, "", dtype=object))
    return Dataset(
        dataset_name, log, parts=None if parts is None else parts[rows], scale=scale, **words
    )


def _ids(column: pd.Series, kind: str, raw: LogFrame) -> _Ids:
    try:
        codes, found = pd.factorize(column.to_numpy(), use_na_sentinel=True)
    except TypeError:  # lists and objects
        codes, found = pd.factorize(column.map(str).to_numpy(), use_na_sentinel=True)
    text = [str(each).strip() for each in found.tolist()]
    is_null = np.array([each in NULLS for each in text] + [True])  # the last for code −1
    most = current().max_id_length
    for broken in (at for at, each in enumerate(text) if len(each) > most or _CONTROL.search(each)):
        row = int(np.flatnonzero(codes == broken)[0])
        what = f"at most {most:,} characters (see --max-id-length)"
        raise InputError(
            f"Expected a {kind} id "
            f"{what if len(text[broken]) > most else 'on one line, without control characters,'} "
            f"in {raw.where(row)}. Received: {short(text[broken])}. Mend or remove that row."
        )
    known = [each for each, null in zip(text, is_null, strict=False) if not null]
    are_whole = all(re.fullmatch(r"-?\d+(\.0)?", each) for each in known)
    if are_whole and any(each.endswith(".0") for each in known):
        logger.warning(
            "%s: %s ids are whole numbers, some written as 12.0: read as 12", raw.name, kind
        )
        text = [each.removesuffix(".0") for each in text]
    return _Ids(np.array([*text, ""], object)[codes], is_null[codes])


def _kept(users: _Ids, items: _Ids, raw: LogFrame) -> np.ndarray:
    """[R] bool: the rows with a user and an item."""
    for kind, ids in (("user", users), ("item", items)):
        count = int(ids.is_missing.sum())
        if 2 * count > len(ids.is_missing):
            row = int(np.flatnonzero(ids.is_missing)[0])
            raise InputError(
                f"Expected a {kind} id in most rows of {raw.name}. Received: none in {count:,} of "
                f"{len(ids.is_missing):,}, the first in {raw.where(row)}. Is it the right column? "
                f"Name it by --{kind}-column."
            )
        if count:
            logger.warning("%s: left out %s rows without %s id", raw.name, f"{count:,}", kind)
    return ~(users.is_missing | items.is_missing)


def _amounts(column: pd.Series, raw: LogFrame) -> np.ndarray:
    """[R] float64 of a column of numbers, or of yes and no; NaN where it is neither."""
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(np.float64, na_value=np.nan)
    text = column.astype(str).str.strip()
    words = text.str.lower().map(_YES_NO)
    if words.notna().mean() > 0.5:
        return words.to_numpy(np.float64)
    # Python and pandas read 1_000 as a number, and no file means that.
    return pd.to_numeric(text.where(~text.str.contains("_")), errors="coerce").to_numpy(np.float64)


def _check_finite(amount: np.ndarray, order: np.ndarray, raw: LogFrame) -> None:
    bad = ~(np.abs(amount[order]) <= LARGEST_RATING)  # True for NaN, too
    if bad.any():
        row = int(order[np.flatnonzero(bad)[0]])
        received = _shown(raw.frame["rating"].iloc[row])
        raise InputError(
            f"Expected a rating that is a finite number. Received: {received} in {raw.where(row)}. "
            "Mend or remove that line."
        )


def _times(
    frame: pd.DataFrame, order: np.ndarray, raw: LogFrame, *, is_named: bool
) -> tuple[np.ndarray, np.ndarray]:
    """[R] int64 seconds, and `order` as the rows follow each other in time within a second."""
    times = read_times(frame["timestamp"]) if "timestamp" in frame else None
    if times is None or (not is_named and times.bad[order].mean() > 0.5):
        what = "no timestamps" if times is None else "times that cannot be read"
        logger.warning("%s has %s: the order of its rows stands for them", raw.name, what)
        seconds = np.zeros(len(frame), np.int64)
        seconds[order] = np.arange(len(order))
        return seconds, order
    bad = times.bad[order]
    if bad.any():
        row = int(order[np.flatnonzero(bad)[0]])
        received = _shown(frame["timestamp"].iloc[row])
        raise InputError(
            f"Expected a timestamp from 1970 to the year 2200, in {times.form} as most rows have. "
            f"Received: {received} in {raw.where(row)}. Mend or remove that line."
            if bad.mean() <= 0.5
            else "Expected numbers since 1970, or dates such as 2024-01-31. Received: "
            f"{received} in {raw.where(row)}. Pass --time-column '' to take the order of the rows."
        )
    if times.form != "seconds":
        logger.info("%s: times are %s", raw.name, times.form)
    rank = times.rank[order]
    steps = np.diff(rank)
    if len(order) > 2 and (steps <= 0).all() and (steps < 0).any():
        logger.info("%s: the latest row comes first: read from its end", raw.name)
        order, rank = order[::-1], rank[::-1]
    if (rank != times.seconds[order]).any():
        order = order[np.argsort(rank, kind="stable")]
    return times.seconds, order


def _parts(column: pd.Series, order: np.ndarray, raw: LogFrame) -> np.ndarray:
    """[R'] int8 of `data.strategies`, of the rows in `order`."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)[order]
    bad = ~np.isin(numbers, (0, 1, 2))
    if bad.any():
        row = int(order[np.flatnonzero(bad)[0]])
        raise InputError(
            f"Expected 0 (train), 1 (validation) or 2 (test). Received: "
            f"{_shown(column.iloc[row])} in {raw.where(row)}. Mend or remove that line."
        )
    return numbers.astype(np.int8)


def _meant(
    amount: np.ndarray | None, size: int, raw: LogFrame, config: LogConfig
) -> tuple[np.ndarray, np.ndarray | None, scales.RatingScale | None]:
    """Stars [R], the weights of rows [R] if they have any, and the scale of ratings."""
    taken = np.full(size, scales.TAKEN)
    if amount is None:
        logger.warning("%s has no ratings: each row counts as %g", raw.name, scales.TAKEN)
        return taken, None, None
    kind = config.rating_kind or raw.kind
    if kind != "rating":
        logger.warning(
            "%s has %ss: each row counts as a like, weighted by log(1 + %s)", raw.name, kind, kind
        )
        return taken, scales.confidence(amount, kind).astype(np.float32), None
    if len(np.unique(amount)) == 1 and config.scale is None:
        found = f"the rating {amount[0]:g} throughout"
        logger.warning("%s has %s: each row counts as %g", raw.name, found, scales.TAKEN)
        return taken, None, None
    scale = scales.scale_of(amount, config)
    logger.info("%s: ratings %s", raw.name, scale)
    return scale.stars(amount), None, scale


def _shown(value: Any) -> str:
    """A cell as an error shows it; whole numbers without a point."""
    if isinstance(value, float) and math.isnan(value):
        return "an empty field"
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e18
    return short(str(int(value) if is_whole else value))


def _words(values: np.ndarray, log: Interactions, column: str, raw: LogFrame) -> np.ndarray:
    """[I] what each item is called, unless the column says something else of many."""
    codes, raw_words = pd.factorize(pd.Series(values).fillna("").map(str).to_numpy())
    words = sound_words([" ".join(each.split()) for each in raw_words.tolist()])
    pairs = pd.DataFrame({"item": log.item, "text": words[codes]})
    pairs = pairs[pairs["text"] != ""]
    variants = pairs.groupby("item")["text"].nunique()
    found = np.full(log.num_items, "", dtype=object)
    if len(variants) and (variants > 1).mean() > 0.1:
        logger.warning("%s: its %s are not of items, many of which have several", raw.name, column)
        return found
    firsts = pairs.groupby("item")["text"].first()
    found[firsts.index.to_numpy()] = firsts.to_numpy()
    return found
