"""Which column of a log is what, by its name."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, NamedTuple

from drrec.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drrec.data.config import Kind, LogConfig

USER = (
    *("user", "userid", "uid", "username", "customer", "customerid", "reviewer", "reviewerid"),
    *("member", "memberid", "visitor", "visitorid", "account", "accountid", "profileid"),
    *("listenerid", "playerid", "readerid", "buyerid", "clientid", "personid"),
)
"""Names of columns, without case, `_`, `-`, `.`, blanks and RecBole's `:type`."""

ITEM = ("item", "itemid", "iid", "movie", "movieid", "product", "productid", "artistid")

RARER_ITEMS = (
    *("businessid", "videoid", "trackid", "songid", "bookid", "isbn", "gameid", "appid", "animeid"),
    *("articleid", "newsid", "recipeid", "beerid", "jokeid", "restaurantid", "hotelid", "venueid"),
    *("poiid", "courseid", "postid", "contentid", "showid", "filmid", "sku", "ean"),
    *("parentasin", "asin"),
)
"""Names of an item column where none bears one in `ITEM`; the first that there is counts."""

KINDS: dict[Kind, tuple[str, ...]] = {
    "rating": (
        *("rating", "ratings", "score", "stars", "overall", "reviewrating", "reviewscore"),
        *("reviewoverall", "userrating", "userscore", "ratingvalue", "grade", "vote", "preference"),
        *("label", "click", "clicked", "isclick", "like", "liked", "islike", "purchased"),
        *("feedback", "value"),
    ),
    "count": (
        *("playcount", "plays", "numplays", "count", "counts", "listens", "listencount", "views"),
        *("viewcount", "clicks", "visits", "scrobbles", "quantity", "frequency"),
    ),
    "duration": (
        *("watchtime", "watchduration", "watchedseconds", "secondswatched", "dwelltime"),
        *("playtime", "playduration", "secondsplayed", "msplayed", "minuteswatched"),
        *("hoursplayed", "duration", "seconds", "minutes", "hours"),
    ),
}
"""Names of the column of ratings, counts or durations; the first that there is counts."""

TIME = (
    *("timestamp", "time", "ts", "unixtime", "unixreviewtime", "timestampms", "timems", "epoch"),
    *("datetime", "date", "createdat", "created", "createtime", "eventtime", "eventtimestamp"),
    *("reviewtime", "reviewdate", "ratedat", "watchedat", "listenedat", "playedat", "addedat"),
    *("updatedat", "day"),
)
"""Names of the column of times; the first that there is counts."""

PART = ("xlabel",)
SESSION = ("sessionid",)

TITLES = (
    *("movietitle", "title", "name", "itemname", "itemtitle", "producttitle", "productname"),
    *("artistname", "songname", "trackname", "booktitle"),
)
GENRES = ("genres", "genre", "class", "categories", "category")
"""Names of the genres column; the first of them that there is counts."""


class Columns(NamedTuple):
    """Which column is what, by place; None where there is none."""

    user: int
    item: int
    rating: int | None = None
    kind: Kind = "rating"
    timestamp: int | None = None
    part: int | None = None
    session: int | None = None
    title: int | None = None
    genres: int | None = None

    def places(self) -> dict[str, int]:
        """By name, those that there are."""
        found = self._asdict() | {"kind": None}
        return {name: place for name, place in found.items() if place is not None}


def recognised(header: Sequence[str], config: LogConfig, where: str) -> Columns:
    """Find the columns of a log by their names, or by those that the settings give.

    Args:
        header: the names as they stand.
        config: which names are given.
        where: what to call the header's place in errors.

    Raises:
        InputError: there is no column of users or of items, or more than one could be, or none
            bears a name that is given.
    """
    names = [plain(name) for name in header]
    user = _given(header, config.user_column, where)
    if user is None:
        user = only(names, USER, "user", where)
    item = _given(header, config.item_column, where)
    if item is None:
        item = item_column(names, where)
    if user is None or item is None:
        lacking = "user" if user is None else "item"
        raise InputError(
            f"Expected a header with at least user_id and item_id (and rating, timestamp) in "
            f"{where}. Received: {shown(', '.join(header)[:80])}. Name the {lacking}s' column by "
            f"--{lacking}-column."
        )
    taken = {user, item}
    rating, kind = _rating(header, names, config, where, taken)
    timestamp = _given(header, config.time_column, where)
    if timestamp is None and config.time_column is None:
        timestamp = first(names, TIME, taken)
    return Columns(
        user=user,
        item=item,
        rating=rating,
        kind=kind,
        timestamp=timestamp,
        part=only(names, PART, "x_label", where),
        session=only(names, SESSION, "session", where),
        title=first(names, TITLES, taken),
        genres=first(names, GENRES, taken),
    )


def described(columns: Columns, header: Sequence[str]) -> str:
    """What was read as what, and what was left."""
    called = {"rating": columns.kind}
    named = [
        f"{called.get(name, name)} from {header[place]}" for name, place in columns.places().items()
    ]
    left = [name for place, name in enumerate(header) if place not in columns.places().values()]
    return ", ".join(named) + (f"; left: {', '.join(left)}" if left else "")


def item_column(names: Sequence[str], where: str) -> int | None:
    """Which of the columns has the items; None if none does.

    Raises:
        InputError: more than one could.
    """
    usual = only(names, ITEM, "item", where)
    return first(names, RARER_ITEMS) if usual is None else usual


def split_header(header: str, separator: str, *, is_quoted: bool) -> list[str]:
    """The names in a line, as they stand but for blanks around them and RecBole's `:type`."""
    names = (
        next(csv.reader([header], delimiter=separator)) if is_quoted else header.split(separator)
    )
    return [name.split(":")[0].strip() for name in names]


def plain(name: str) -> str:
    """A name without case, `_`, `-`, `.` and blanks."""
    return re.sub(r"[\s_.-]", "", name).lower()


def only(names: Sequence[str], aliases: Sequence[str], kind: str, where: str) -> int | None:
    """Which of the columns bears one of these names; None if none does.

    Raises:
        InputError: more than one does.
    """
    places = [index for index, name in enumerate(names) if name in aliases]
    if len(places) > 1:
        both = " and ".join(names[index] for index in places)
        raise InputError(
            f"Expected one {kind} column in {where}. Received: {both}. Name one by "
            f"--{kind}-column, or rename the other."
        )
    return places[0] if places else None


def first(
    names: Sequence[str], aliases: Sequence[str], taken: set[int] | frozenset[int] = frozenset()
) -> int | None:
    """The column that bears the earliest of these names; None if none does."""
    places = [names.index(name) for name in aliases if name in names]
    return next((place for place in places if place not in taken), None)


def _rating(
    header: Sequence[str], names: Sequence[str], config: LogConfig, where: str, taken: set[int]
) -> tuple[int | None, Kind]:
    given = _given(header, config.rating_column, where)
    if given is not None or config.rating_column is not None:
        name = "" if given is None else names[given]
        kinds = [kind for kind, known in KINDS.items() if name in known]
        return given, config.rating_kind or (kinds[0] if kinds else "rating")
    order: list[Kind] = [*([config.rating_kind] if config.rating_kind else []), *KINDS]
    for each in order:
        if (place := first(names, KINDS[each], taken)) is not None:
            return place, config.rating_kind or each
    return None, "rating"


def _given(header: Sequence[str], name: str | None, where: str) -> int | None:
    """The place of a column that is given by name; None for none."""
    if not name:
        return None
    for same in (str, plain):
        places = [place for place, known in enumerate(header) if same(known) == same(name)]
        if len(places) == 1:
            return places[0]
    raise InputError(
        f"Expected one column {shown(name)} in {where}. Received: {', '.join(header)[:200]}."
    )
