"""MicroLens: who commented on which short video when (Ni et al. 2023); a log without ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drrec.data.published.layout import (
    Layout,
    Published,
    Row,
    Words,
    WordsFile,
    csv_fields,
    rated,
    since_1970,
)
from drrec.data.readers.checks import short
from drrec.data.readers.streams import Fault
from drrec.data.scale import TAKEN

if TYPE_CHECKING:
    import pathlib

    from drrec.data.published.config import PrepareConfig

HEADERS = (["user", "item", "timestamp"], ["userID", "videoID", "timestamp"])


def layout(first: str, config: PrepareConfig) -> Layout:
    """How its lines are read: a header, then user, item and milliseconds.

    Raises:
        Fault: the header is another.
    """
    del config
    if first.split(",") not in HEADERS:
        raise Fault(f"Expected the header user,item,timestamp. Received: {short(first)}")
    return Layout(_comment, has_header=True)


def _comment(line: str) -> Row:
    user, item, timestamp = csv_fields(line, 3)
    return rated(user, item, TAKEN, since_1970(timestamp))


def words(path: pathlib.Path) -> WordsFile:
    """`MicroLens-50k_titles.csv` beside `MicroLens-50k_pairs.csv`, or `…_title_en.csv`."""
    stem = path.name.split("_pairs")[0]
    places = [path.with_name(f"{stem}_{rest}.csv") for rest in ("titles", "title_en", "title")]
    there = [place for place in places if place.is_file()]
    return WordsFile(there[0] if there else places[0], _title, has_header=True)


def _title(line: str) -> Words:
    item, title = csv_fields(line, 2)
    return Words(item.strip(), title, [])


MICROLENS = Published(
    files=("MicroLens-*_pairs.csv", "MicroLens-*_pairs.csv.gz"),
    page="https://github.com/westlake-repl/MicroLens",
    layout=layout,
    words=words,
    min_user=0,
    min_item=0,  # published thinned: users with five comments or more
    is_rated=False,
)
