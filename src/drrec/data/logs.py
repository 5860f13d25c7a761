"""From the rows of a log, whatever files they are from, to checked ratings: the one way in."""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from drrec.data import scale as scales
from drrec.data.config import LogConfig
from drrec.data.dataset import Dataset
from drrec.data.engine import BLANKS
from drrec.data.ids import IdMap, as_text, numbered
from drrec.data.interactions import Interactions, Repeats
from drrec.data.readers.checks import LARGEST_RATING, NULLS, short
from drrec.data.readers.titles import sound_words
from drrec.data.rows import Rows
from drrec.data.times import Times, number, read_times
from drrec.errors import InputError
from drrec.limits import current

if TYPE_CHECKING:
    from drrec.data.readers.staged import Staged

logger = logging.getLogger(__name__)

_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_YES, _NO = ("true", "yes"), ("false", "no")


class _Ids(NamedTuple):
    """Distinct texts of a column of ids."""

    raw: np.ndarray  # [n] object, as they stand
    text: np.ndarray  # [n] object, without blanks around them
    is_missing: np.ndarray  # [n] bool
    rows: np.ndarray  # [n] int64 how many have it
    first: np.ndarray  # [n] int64 the first row


@dataclasses.dataclass(frozen=True, eq=False)
class Log:
    """A log that is checked and understood: its rows, still in DuckDB, and what they mean."""

    raw: Staged
    users: np.ndarray
    """[U] raw ids."""
    items: np.ndarray
    """[I - 1] raw ids, without padding."""
    rows: Rows
    scale: scales.RatingScale | None

    def dataset(self, name: str, repeats: Repeats, least_users: int = 2) -> Dataset:
        """All of it in memory.

        Raises:
            InputError: all rows are one user's.
        """
        if len(self.users) < least_users:
            raise InputError(
                f"Expected at least two users in {self.raw.name}. Received: one. "
                "A recommender learns from how people differ: add ratings of others."
            )
        columns = self.rows.read(repeats)
        parts = columns.pop("part", None)
        items = np.concatenate([as_text([""]), self.items])
        log = Interactions(**columns, users=IdMap(self.users, "user"), items=IdMap(items, "item"))
        words: dict[str, Any] = {**self.words(repeats)}
        words.setdefault("titles", np.full(log.num_items, "", dtype=object))
        return Dataset(name, log, parts=parts, scale=self.scale, **words)

    def words(self, repeats: Repeats) -> dict[str, np.ndarray]:
        """Titles and genres [I] that the log has."""
        named = {"title": "titles", "genres": "genres"}
        return {
            name: _words(self.raw, column, len(self.items), self.rows.order, repeats)
            for column, name in named.items()
            if column in self.raw.types
        }


def dataset_of(
    raw: Staged,
    dataset_name: str,
    config: LogConfig | None = None,
    repeats: Repeats = "drop",
    least_users: int = 2,
) -> Dataset:
    """What `understood` makes of a log, in memory.

    Raises:
        InputError: as of `understood`; or all rows are one user's.
    """
    return understood(raw, config).dataset(dataset_name, repeats, least_users)


def understood(raw: Staged, config: LogConfig | None = None) -> Log:
    """Check a log and say what was understood by it.

    Rows without a user or an item are left out and counted, as are those whose rating is
    `config.unrated`. Blanks around ids are no part of them; `12.0` is `12` where all ids of the
    column are whole numbers. For ratings see `scale.scale_of`, for times `times.read_times`.

    Raises:
        InputError: a value is none of its kind (the message says where it is), the ratings show no
            scale, or most rows have no id.
    """
    config = config or LogConfig()
    users, items = (_numbered(raw, kind, _ids(raw, kind)) for kind in ("user", "item"))
    times = read_times(raw) if "timestamp" in raw.types else None
    _join(raw, times, config)
    (size,) = raw.one("SELECT count(*) FROM log")
    if size == 0:
        raise InputError(f"Expected at least one rating in {raw.name}. Received: none.")
    if "rating" in raw.types:
        _check_finite(raw)
    times = _checked(times, raw, size, is_named=bool(config.time_column))
    if "part" in raw.types:
        _check_parts(raw)
    stars, weight, scale = _meant(raw, config)
    if size < len(raw):
        users, items = _used(raw, "user", users), _used(raw, "item", items)
    if not {"title", "genres"} & set(raw.types):
        raw.connection.execute("DROP TABLE raw")
    order = "row DESC" if times and _is_latest_first(raw) else "row"
    rows = Rows(raw.connection, size, set(raw.types), times, order, stars, weight)
    return Log(raw, users, items, rows, scale)


def _ids(raw: Staged, kind: str) -> _Ids:
    """The distinct ids of a column, each checked."""
    found = raw.arrays(
        f"SELECT {kind} AS raw, count(*) AS rows, min(rowid) AS first FROM raw GROUP BY 1"
    )
    ids = found["raw"]
    text = [each.strip() for each in ids.tolist()]
    most = current().max_id_length
    broken = [at for at, each in enumerate(text) if len(each) > most or _CONTROL.search(each)]
    if broken:
        at = min(broken, key=lambda each: int(found["first"][each]))
        what = f"at most {most:,} characters (see --max-id-length)"
        raise InputError(
            f"Expected a {kind} id "
            f"{what if len(text[at]) > most else 'on one line, without control characters,'} "
            f"in {raw.where(int(found['first'][at]))}. Received: {short(text[at])}. Mend or remove "
            "that row."
        )
    is_missing = np.array([each in NULLS for each in text], bool)
    known = [each for each, missing in zip(text, is_missing, strict=True) if not missing]
    are_whole = all(re.fullmatch(r"-?\d+(\.0)?", each) for each in known)
    if are_whole and any(each.endswith(".0") for each in known):
        logger.warning(
            "%s: %s ids are whole numbers, some written as 12.0: read as 12", raw.name, kind
        )
        text = [each.removesuffix(".0") for each in text]
    return _Ids(ids, as_text(text), is_missing, found["rows"], found["first"])


def _numbered(raw: Staged, kind: str, ids: _Ids) -> np.ndarray:
    """[n] the sorted ids; a table `<kind>_ids` says which number each text has."""
    count, size = int(ids.rows[ids.is_missing].sum()), len(raw)
    if 2 * count > size:
        row = int(ids.first[ids.is_missing].min())
        raise InputError(
            f"Expected a {kind} id in most rows of {raw.name}. Received: none in {count:,} of "
            f"{size:,}, the first in {raw.where(row)}. Is it the right column? "
            f"Name it by --{kind}-column."
        )
    if count:
        logger.warning("%s: left out %s rows without %s id", raw.name, f"{count:,}", kind)
    known = ~ids.is_missing
    found, numbers = numbered(ids.text[known], kind)
    raw.give(f"{kind}_ids", {"text": ids.raw[known], "number": numbers})
    return found


def _join(raw: Staged, times: Times | None, config: LogConfig) -> None:
    """Make the table `log`: the rows with a user, an item and a rating, their ids as numbers."""
    columns = ["user_ids.number AS user", "item_ids.number AS item", "raw.rowid AS row"]
    columns += [f"{times.rank if times else 'NULL::DOUBLE'} AS rank"]
    columns += ["session"] if "session" in raw.types else []
    if "part" in raw.types:
        columns.append(f"{number('part', raw.types['part'])} AS part")
    rated = "true"
    if "rating" in raw.types:
        amount = _amount(raw)
        columns.append(f"{amount} AS amount")
        if config.unrated is not None:
            is_unrated = f"coalesce({amount} = {config.unrated!r}::DOUBLE, false)"
            (count,) = raw.one(f"SELECT count(*) FROM raw WHERE {is_unrated}")
            logger.warning("%s: %s rows are not rated and left out", raw.name, f"{count:,}")
            rated = f"NOT {is_unrated}"
    is_odd = times is not None and times.is_joined
    odd = "LEFT JOIN odd_times ON odd_times.text = raw.timestamp" if is_odd else ""
    raw.connection.execute(
        f"CREATE TABLE log AS SELECT {', '.join(columns)} FROM raw "
        "JOIN user_ids ON user_ids.text = raw.user JOIN item_ids ON item_ids.text = raw.item "
        f"{odd} WHERE {rated}"
    )


def _amount(raw: Staged) -> str:
    """An expression of a column of numbers, or of yes and no; NULL where it is neither."""
    if raw.types["rating"] != "VARCHAR":
        return "rating"
    word = "lower(trim(rating))"
    yes = f"CASE WHEN {word} IN {_YES} THEN 1.0::DOUBLE WHEN {word} IN {_NO} THEN 0.0 END"
    share = f"SELECT avg((coalesce({word} IN {_YES + _NO}, false))::INT) FROM raw"
    return yes if raw.one(share)[0] > 0.5 else number("rating", "VARCHAR")


def _check_finite(raw: Staged) -> None:
    bad = f"NOT coalesce(abs(amount) <= {LARGEST_RATING!r}::DOUBLE, false)"  # NaN is above all
    (row,) = raw.one(f"SELECT min(row) FROM log WHERE {bad}")
    if row is not None:
        raise InputError(
            "Expected a rating that is a finite number. Received: "
            f"{_shown(raw.cell('rating', row))} in {raw.where(row)}. Mend or remove that line."
        )


def _checked(times: Times | None, raw: Staged, size: int, *, is_named: bool) -> Times | None:
    """The times, unless there are none, or most are none and no flag names their column."""
    count, row = raw.one("SELECT count(*), min(row) FROM log WHERE rank IS NULL")
    if times is None or (not is_named and 2 * count > size):
        what = "no timestamps" if times is None else "times that cannot be read"
        logger.warning("%s has %s: the order of its rows stands for them", raw.name, what)
        return None
    if count:
        received = _shown(raw.cell("timestamp", row))
        raise InputError(
            f"Expected a timestamp from 1970 to the year 2200, in {times.form} as most rows have. "
            f"Received: {received} in {raw.where(row)}. Mend or remove that line."
            if 2 * count <= size
            else "Expected numbers since 1970, or dates such as 2024-01-31. Received: "
            f"{received} in {raw.where(row)}. Pass --time-column '' to take the order of the rows."
        )
    if times.form != "seconds":
        logger.info("%s: times are %s", raw.name, times.form)
    return times


def _is_latest_first(raw: Staged) -> bool:
    """Whether no row is later than the one before it, and one is earlier."""
    for some in (" LIMIT 1000", ""):  # the first rows tell of nearly every log that it is not so
        rows = f"SELECT rank, row FROM log ORDER BY row{some}"
        steps = f"SELECT rank - lag(rank) OVER (ORDER BY row) AS step FROM ({rows})"
        size, most, least = raw.one(f"SELECT count(*), max(step), min(step) FROM ({steps})")
        if not (size > 2 and most <= 0 and (least < 0 or some)):
            return False
    logger.info("%s: the latest row comes first: read from its end", raw.name)
    return True


def _check_parts(raw: Staged) -> None:
    (row,) = raw.one("SELECT min(row) FROM log WHERE NOT coalesce(part IN (0, 1, 2), false)")
    if row is not None:
        raise InputError(
            "Expected 0 (train), 1 (validation) or 2 (test). Received: "
            f"{_shown(raw.cell('part', row))} in {raw.where(row)}. Mend or remove that line."
        )


def _meant(raw: Staged, config: LogConfig) -> tuple[Any, Any, scales.RatingScale | None]:
    """What makes stars and weights of amounts, None for all alike, and the scale of ratings."""
    if "rating" not in raw.types:
        logger.warning("%s has no ratings: each row counts as %g", raw.name, scales.TAKEN)
        return None, None, None
    kind = config.rating_kind or raw.kind
    if kind != "rating":
        logger.warning(
            "%s has %ss: each row counts as a like, weighted by log(1 + %s)", raw.name, kind, kind
        )
        low, high = raw.one("SELECT min(amount), max(amount) FROM log")
        scales.check_amounts(low, high, kind)
        (mean,) = raw.one("SELECT avg(ln(1 + amount)) FROM log")
        return None, functools.partial(scales.confidence, mean=mean), None
    values = raw.arrays("SELECT DISTINCT amount FROM log ORDER BY 1")["amount"]
    if len(values) == 1 and config.scale is None:
        said = f"the rating {values[0]:g} throughout"
        logger.warning("%s has %s: each row counts as %g", raw.name, said, scales.TAKEN)
        return None, None, None
    scale = scales.scale_of(values, config)
    logger.info("%s: ratings %s", raw.name, scale)
    return scale.stars, None, scale


def _used(raw: Staged, kind: str, ids: np.ndarray) -> np.ndarray:
    """The ids that are left where rows were left out; the table `log` has their new numbers."""
    used = raw.arrays(f"SELECT DISTINCT {kind} AS id FROM log ORDER BY 1")["id"]
    if len(used) == len(ids):
        return ids
    raw.give("used", {"id": used, "number": np.arange(len(used), dtype=np.int32)})
    raw.connection.execute(
        f"CREATE OR REPLACE TABLE log AS SELECT log.* REPLACE (used.number AS {kind}) FROM log "
        f"JOIN used ON used.id = log.{kind}"
    )
    return ids[used]


def _shown(value: Any) -> str:
    """A cell as an error shows it; whole numbers without a point."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return "an empty field"
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e18
    return short(str(int(value) if is_whole else value))


def _words(raw: Staged, column: str, num_items: int, order: str, repeats: Repeats) -> np.ndarray:
    """[I] what each item is called, unless the column says something else of many."""
    text = f"trim(regexp_replace({column}, '{BLANKS}', ' ', 'g'))"
    moment = f"coalesce(rank, 0), {'-row' if order.endswith('DESC') else 'row'}"
    last = f"SELECT arg_max(row, ({moment})) FROM log GROUP BY user, item"
    found = raw.arrays(
        f"SELECT item, arg_min(text, (user, {moment})) AS text, count(DISTINCT text) > 1 AS differs"
        f" FROM (SELECT log.*, {text} AS text FROM log JOIN raw ON raw.rowid = log.row) "
        f"WHERE text <> '' {f'AND row IN ({last})' if repeats == 'drop' else ''} GROUP BY item"
    )
    words = np.full(num_items + 1, "", dtype=object)
    if len(found["item"]) and np.mean(found["differs"]) > 0.1:
        logger.warning("%s: its %s are not of items, many of which have several", raw.name, column)
        return words
    words[found["item"] + 1] = sound_words(found["text"].tolist())
    return words
