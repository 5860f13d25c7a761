"""Amazon Reviews of 2018 (Ni et al. 2019) and of 2023 (Hou et al. 2024), one category each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drrec.data.published.layout import (
    Layout,
    Published,
    Row,
    Words,
    WordsFile,
    csv_fields,
    json_fields,
    json_object,
    rated,
    since_1970,
)
from drrec.data.readers.checks import short
from drrec.data.readers.streams import Fault
from drrec.errors import shown

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

    from drrec.data.published.config import PrepareConfig

_ASIN = 10
"""Characters of an item's id."""


def layout_2018(first: str, config: PrepareConfig) -> Layout:
    """JSON lines, or `item,user,rating,timestamp` without a header."""
    del config
    return Layout(_review_2018 if first.startswith("{") else _rating_2018)


def layout_2023(first: str, config: PrepareConfig) -> Layout:
    """JSON lines, or CSV whose header has `user_id,parent_asin,rating,timestamp`.

    Raises:
        Fault: the header lacks one of these.
    """
    del config
    if first.startswith("{"):
        return Layout(_review_2023)
    names = first.split(",")
    needed = ("user_id", "parent_asin", "rating", "timestamp")
    missing = [name for name in needed if name not in names]
    if missing:
        raise Fault(
            "Expected the header user_id,parent_asin,rating,timestamp. "
            f"Received: {short(first)}, without {missing[0]}"
        )
    return Layout(_by_header([names.index(name) for name in needed], len(names)), has_header=True)


def _rating_2018(line: str) -> Row:
    item, user, rating, timestamp = csv_fields(line, 4)
    if len(item) != _ASIN and len(user) == _ASIN:
        raise Fault(
            f"Expected item,user, as in the release of 2018. Received: {shown(user)} second"
        )
    return rated(user, item, rating, since_1970(timestamp))


def _review_2018(line: str) -> Row:
    user, item, rating, timestamp = json_fields(
        line, "reviewerID", "asin", "overall", "unixReviewTime"
    )
    return rated(str(user), str(item), rating, since_1970(timestamp))


def _review_2023(line: str) -> Row:
    user, item, rating, timestamp = json_fields(
        line, "user_id", "parent_asin", "rating", "timestamp"
    )
    return rated(str(user), str(item), rating, since_1970(timestamp))


def _by_header(places: list[int], num_fields: int) -> Callable[[str], Row]:
    user, item, rating, timestamp = places

    def parse(line: str) -> Row:
        fields = csv_fields(line, num_fields)
        return rated(fields[user], fields[item], fields[rating], since_1970(fields[timestamp]))

    return parse


def category(path: pathlib.Path) -> str:
    """Which category a file is of: `Video_Games` for `Video_Games_5.json.gz`."""
    stem = path.name.split(".")[0]
    for prefix in ("ratings_", "reviews_"):
        stem = stem.removeprefix(prefix)
    return stem.removesuffix("_5")


def words(path: pathlib.Path) -> WordsFile:
    """The category's `meta_<category>`, with an ending that is there."""
    stem = f"meta_{category(path)}"
    endings = (".json.gz", ".json", ".jsonl.gz", ".jsonl")
    places = [path.with_name(stem + ending) for ending in endings]
    there = [place for place in places if place.is_file()]
    return WordsFile(there[0] if there else places[0], _product)


def _product(line: str) -> Words:
    values = json_object(line)
    item = values.get("parent_asin") or values.get("asin")
    if not isinstance(item, str):
        raise Fault(f"Expected the field asin or parent_asin. Received: {short(line)}")
    genres = values.get("categories") or values.get("category") or []
    return Words(
        item,
        title if isinstance(title := values.get("title"), str) else "",
        [genre for genre in genres if isinstance(genre, str)] if isinstance(genres, list) else [],
    )


AMAZON_2018 = Published(
    files=("*.csv", "*.csv.gz", "*.json", "*.json.gz"),
    page="https://nijianmo.github.io/amazon/",
    layout=layout_2018,
    words=words,
)
AMAZON_2023 = Published(
    files=("*.csv", "*.csv.gz", "*.jsonl", "*.jsonl.gz"),
    page="https://amazon-reviews-2023.github.io/",
    layout=layout_2023,
    words=words,
)
