"""Ratings with named columns: CSV, TSV, and the header of RecBole's atomic files."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

import numpy as np

from drrec.data.interactions import Dataset
from drrec.data.readers.lines import first_line
from drrec.data.readers.rows import RatingTable, read_log
from drrec.errors import InputError

if TYPE_CHECKING:
    import pathlib

    from drrec.data.interactions import Repeats

ALIASES: dict[str, tuple[str, ...]] = {
    "user": ("user", "userid", "uid", "customerid", "reviewerid"),
    "item": ("item", "itemid", "iid", "movie", "movieid", "product", "productid", "artistid"),
    "rating": ("rating", "ratings", "score", "stars"),
    "timestamp": ("timestamp", "time", "ts", "unixtime", "unixreviewtime"),
    "part": ("xlabel",),
    "session": ("sessionid",),
}
"""Names of columns, without case, `_`, `-`, blanks and RecBole's `:type`."""

RARER_ITEMS = ("businessid", "videoid", "trackid", "parentasin", "asin")
"""Names of an item column where none bears one in `ALIASES`; the first that there is counts."""

_SEPARATORS = ",\t;|"


def load(path: pathlib.Path, repeats: Repeats = "drop") -> Dataset:
    """Read a CSV or TSV file with a header; other columns than the ratings' are left alone.

    A log without ratings, or with the same one throughout, is implicit: each row counts as
    `IMPLICIT_RATING`. Without timestamps the order of the rows is the order in time. A column
    `x_label` (MMRec: 0 train, 1 validation, 2 test) gives the parts of the split `given`; a column
    `session_id` says which rows were one sitting. Repeated (user, item) rows: see `repeats`.

    Raises:
        InputError: there is no column for users or for items, or a row is bad.
    """
    header = first_line(path)
    is_tabbed = path.suffix.lower() in (".tsv", ".inter")
    separator = "\t" if is_tabbed else max(_SEPARATORS, key=header.count)
    table = rating_table(path, header, separator, is_quoted=path.suffix.lower() != ".inter")
    interactions, parts = read_log(path, table, repeats)
    titles = np.full(interactions.num_items, "", dtype="<U1")
    return Dataset(path.stem, interactions, titles, parts=parts)


def rating_table(
    path: pathlib.Path, header: str, separator: str, *, is_quoted: bool
) -> RatingTable:
    """The layout that a header line describes.

    Raises:
        InputError: a needed column is missing, or two columns could be the same.
    """
    names = split_header(header, separator, is_quoted=is_quoted)
    found = {kind: find(path, names, aliases) for kind, aliases in ALIASES.items()}
    found["item"] = item_column(path, names)
    types = header.lower().split(separator)
    if found["timestamp"] is None and "date:float" in types:  # Yelp's, as RecBole writes it
        found["timestamp"] = types.index("date:float")
    user, item = found["user"], found["item"]
    if user is None or item is None:
        raise InputError(
            f"Expected a header with at least user_id and item_id (and rating, timestamp) in line "
            f"1 of {path}. Received: {header[:80]!r}. Name the columns in the first line."
        )
    return RatingTable(
        separator=separator,
        num_fields=len(names),
        has_header=True,
        is_quoted=is_quoted,
        user=user,
        item=item,
        rating=found["rating"],
        timestamp=found["timestamp"],
        part=found["part"],
        session=found["session"],
    )


def item_column(path: pathlib.Path, names: list[str]) -> int | None:
    """Which of the columns has the items; None if none does.

    Raises:
        InputError: more than one could.
    """
    usual = find(path, names, ALIASES["item"])
    rarer = (names.index(name) for name in RARER_ITEMS if name in names)
    return next(rarer, None) if usual is None else usual


def split_header(header: str, separator: str, *, is_quoted: bool) -> list[str]:
    """Column names, in lower case, without `_`, `-`, blanks and `:type`."""
    names = (
        next(csv.reader([header], delimiter=separator)) if is_quoted else header.split(separator)
    )
    return [re.sub(r"[\s_-]", "", name.split(":")[0]).lower() for name in names]


def find(path: pathlib.Path, names: list[str], aliases: tuple[str, ...]) -> int | None:
    """Which of the columns bears one of these names; None if none does.

    Raises:
        InputError: more than one does.
    """
    places = [index for index, name in enumerate(names) if name in aliases]
    if len(places) > 1:
        both = " and ".join(names[index] for index in places)
        raise InputError(
            f"Expected one {aliases[0]} column in line 1 of {path}. Received: {both}. Rename one."
        )
    return places[0] if places else None
