"""Yelp Open Dataset: reviews of businesses, one JSON object a line."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from drrec.data.published.layout import (
    Layout,
    Published,
    Row,
    Words,
    WordsFile,
    json_fields,
    json_object,
    rated,
)
from drrec.data.readers.checks import short
from drrec.data.readers.streams import Fault

if TYPE_CHECKING:
    import pathlib

    from drrec.data.published.config import PrepareConfig


def layout(first: str, config: PrepareConfig) -> Layout:
    """How its lines are read."""
    del first, config
    return Layout(_review)


def _review(line: str) -> Row:
    user, item, stars, date = json_fields(line, "user_id", "business_id", "stars", "date")
    return rated(str(user), str(item), stars, _milliseconds(str(date)))


def _milliseconds(date: str) -> int:
    """Yelp says no zone: taken for UTC. Older releases give the day alone."""
    try:
        moment = datetime.datetime.fromisoformat(date)
    except ValueError:
        raise Fault(f"Expected a date like 2018-07-07 22:09:11. Received: {short(date)}") from None
    return round(moment.replace(tzinfo=datetime.UTC).timestamp() * 1000)


def words(path: pathlib.Path) -> WordsFile:
    """`yelp_academic_dataset_business.json` beside the reviews, compressed if they are."""
    return WordsFile(path.with_name(path.name.replace("_review.", "_business.")), _business)


def _business(line: str) -> Words:
    item, name = json_fields(line, "business_id", "name")
    genres = json_object(line).get("categories")
    return Words(str(item), str(name), genres.split(", ") if isinstance(genres, str) else [])


YELP = Published(
    files=("yelp_academic_dataset_review.json", "yelp_academic_dataset_review.json.gz"),
    page="https://business.yelp.com/data/resources/open-dataset/",
    layout=layout,
    words=words,
)
