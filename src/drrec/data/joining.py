"""A log that goes on: the rows of a data set, and newer ones, in one folder of RecBole's files."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.data.config import LogConfig
from drrec.data.interactions import LIKED_ABOVE
from drrec.data.published.atomic import Kept, write_inter, write_items
from drrec.data.published.layout import RawLog, Row, Words
from drrec.data.strategies import TRAIN
from drrec.files import made_folder

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator, Mapping, Sequence

    from drrec.data.dataset import Dataset
    from drrec.data.interactions import Repeats


class NewRow(NamedTuple):
    """What somebody thought of an item after the log ended."""

    user: str
    item: str
    rating: float  # stars, 1 to 5
    seconds: int  # since 1970
    session: str


@dataclasses.dataclass(frozen=True)
class JoinedLog:
    """How a joined log is to be read."""

    folder: pathlib.Path
    repeats: Repeats
    log: LogConfig


def taken_from(dataset: Dataset, rows: Sequence[NewRow]) -> list[NewRow]:
    """The rows that say something beside this log: all, or of implicit feedback the likes."""
    if not dataset.is_implicit:
        return list(rows)
    return [row for row in rows if row.rating > LIKED_ABOVE]


def write_joined(
    folder: pathlib.Path,
    dataset: Dataset,
    rows: Sequence[NewRow],
    words: Mapping[str, Words] | None = None,
) -> JoinedLog:
    """Write `<folder>/<name>.inter` and `.item`; each new row is later than all of the log.

    Of a (user, item) pair that comes twice the last row counts when it is read, unless the log has
    such repeats. A log in given parts gets the new rows in its training part.

    Args:
        folder: a new one, named as the data set is to be.
        dataset: the log, with titles and genres.
        rows: newer ones, oldest first, as `taken_from` gives them.
        words: titles and genres of items that are new.
    """
    made_folder(folder)
    log = dataset.interactions
    latest = int(log.timestamp.max())
    raw = RawLog(_rows(dataset, rows, latest))
    order = np.argsort(raw.milliseconds, kind="stable")
    num_new = len(rows)
    session = part = None
    if log.session is not None:
        first = int(log.session.max()) + 1
        codes = {name: first + at for at, name in enumerate(dict.fromkeys(r.session for r in rows))}
        new = np.array([codes[row.session] for row in rows], np.int32)
        session = np.concatenate([log.session, new])
    if dataset.parts is not None:
        part = np.concatenate([dataset.parts, np.full(num_new, TRAIN, np.int8)])
    kept = Kept(raw.user, raw.item, raw.rating, raw.milliseconds, session, part).where(order)
    is_rated = not dataset.is_implicit or log.weight is not None
    write_inter(folder / f"{folder.name}.inter", raw, kept, is_rated=is_rated, is_timed=True)
    write_items(folder / f"{folder.name}.item", raw, kept, _words(dataset) | dict(words or {}))
    repeats: Repeats = "keep" if log.has_repeats else "drop"
    return JoinedLog(folder, repeats, _config(dataset, raw.rating))


def _rows(dataset: Dataset, rows: Sequence[NewRow], latest: int) -> Iterator[Row]:
    log = dataset.interactions
    users, items = log.users.raw[log.user], log.items.raw[log.item]
    # Of implicit feedback the rating says how sure a row is; those that are new count as most do.
    rating = log.rating if log.weight is None else np.expm1(log.weight.astype(np.float64))
    columns = (users.tolist(), items.tolist(), rating.tolist(), log.timestamp.tolist())
    for user, item, value, seconds in zip(*columns, strict=True):
        yield Row(user, item, value, seconds * 1000)
    for row in rows:
        value = row.rating if log.weight is None else float(np.expm1(1.0))
        yield Row(row.user, row.item, value, max(row.seconds, latest) * 1000)


def _words(dataset: Dataset) -> dict[str, Words]:
    items = dataset.interactions.items.raw.tolist()[1:]
    named = zip(items, dataset.titles.tolist()[1:], dataset.genres.tolist()[1:], strict=True)
    return {
        item: Words(item, title, genres.split(", ") if genres else ())
        for item, title, genres in named
    }


def _config(dataset: Dataset, rating: np.ndarray) -> LogConfig:
    if dataset.interactions.weight is not None:
        return LogConfig(rating_kind="count")
    if dataset.is_implicit:
        return LogConfig()
    return LogConfig(rating_scale=f"{min(1.0, float(rating.min())):g},5")
