"""A log that goes on: the rows of a data set, and newer ones, in one folder of RecBole's files."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from drrec.data.config import LogConfig
from drrec.data.engine import engine
from drrec.data.ids import as_text
from drrec.data.interactions import LIKED_ABOVE
from drrec.data.published.atomic import Words, write_inter, write_items
from drrec.data.strategies import TRAIN
from drrec.files import made_folder, scratch_folder

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Mapping, Sequence

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
    num_new, latest = len(rows), int(log.timestamp.max())
    # Of implicit feedback the rating says how sure a row is; those that are new count as most do.
    sure = None if log.weight is None else np.expm1(log.weight.astype(np.float64))
    stars = [row.rating for row in rows] if sure is None else [np.expm1(1.0)] * num_new
    users, user = _joined(log.users.raw, log.user, [row.user for row in rows])
    items, item = _joined(log.items.raw, log.item, [row.item for row in rows])
    columns = {
        "user": user,
        "item": item,
        "rating": np.append(log.rating if sure is None else sure, stars).astype(np.float32),
        "timestamp": np.append(
            log.timestamp, np.array([max(r.seconds, latest) for r in rows], int)
        ),
    }
    if log.session is not None:
        first = int(log.session.max()) + 1
        codes = {name: first + at for at, name in enumerate(dict.fromkeys(r.session for r in rows))}
        columns["session"] = np.append(log.session, np.array([codes[r.session] for r in rows], int))
    if dataset.parts is not None:
        columns["part"] = np.append(dataset.parts, np.full(num_new, TRAIN))
    config = _config(dataset, columns["rating"])
    if dataset.is_implicit and log.weight is None:
        del columns["rating"]
    order = np.argsort(columns["timestamp"], kind="stable")
    columns = {name: column[order] for name, column in columns.items()}
    with scratch_folder() as scratch, engine(scratch, made=folder) as connection:
        write_inter(connection, folder / f"{folder.name}.inter", columns, users, items)
    known = _words(dataset) | dict(words or {})
    named = [known.get(each, Words("", ())) for each in items[1:].tolist()]
    write_items(folder / f"{folder.name}.item", items[1:].tolist(), named)
    return JoinedLog(folder, "keep" if log.has_repeats else "drop", config)


def _joined(known: np.ndarray, numbers: np.ndarray, more: list[str]) -> tuple[np.ndarray, Any]:
    """The ids of a log and of newer rows, and the number of each row's."""
    codes = {raw: number for number, raw in enumerate(known.tolist())}
    new = [codes.setdefault(raw, len(codes)) for raw in more]
    return as_text(list(codes)), np.append(numbers, np.array(new, np.int32))


def _words(dataset: Dataset) -> dict[str, Words]:
    items = dataset.interactions.items.raw.tolist()[1:]
    named = zip(items, dataset.titles.tolist()[1:], dataset.genres.tolist()[1:], strict=True)
    return {
        item: Words(title, genres.split(", ") if genres else ()) for item, title, genres in named
    }


def _config(dataset: Dataset, rating: np.ndarray) -> LogConfig:
    if dataset.interactions.weight is not None:
        return LogConfig(rating_kind="count")
    if dataset.is_implicit:
        return LogConfig()
    return LogConfig(rating_scale=f"{min(1.0, float(rating.min())):g},5")
