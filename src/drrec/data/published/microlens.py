"""MicroLens: who commented on which short video when (Ni et al. 2023); a log without ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drrec.data.published import sql
from drrec.data.published.layout import Fault, Published, WordsFile
from drrec.data.readers.checks import short

if TYPE_CHECKING:
    import pathlib

    from drrec.data.published.config import PrepareConfig

HEADERS = (["user", "item", "timestamp"], ["userID", "videoID", "timestamp"])


def layout(first: str, config: PrepareConfig) -> sql.Form:
    """How its lines are read: a header, then user, item and milliseconds.

    Raises:
        Fault: the header is another.
    """
    del config
    if first.split(",") not in HEADERS:
        raise Fault(f"Expected the header user,item,timestamp. Received: {short(first)}")
    checks = (*sql.num_fields(3), sql.whole("f[3]"))
    return sql.log_form(sql.CSV, "f[1]", "f[2]", sql.since_1970("f[3]"), *checks, has_header=True)


def words(path: pathlib.Path) -> WordsFile:
    """`MicroLens-50k_titles.csv` beside `MicroLens-50k_pairs.csv`, or `…_title_en.csv`."""
    stem = path.name.split("_pairs")[0]
    places = [path.with_name(f"{stem}_{rest}.csv") for rest in ("titles", "title_en", "title")]
    there = [place for place in places if place.is_file()]
    columns = {"item": "trim(f[1])", "title": "f[2]", "genres": "[]"}
    form = sql.Form(fields=sql.CSV, columns=columns, checks=sql.num_fields(2), has_header=True)
    return WordsFile(there[0] if there else places[0], form)


MICROLENS = Published(
    files=("MicroLens-*_pairs.csv", "MicroLens-*_pairs.csv.gz"),
    page="https://github.com/westlake-repl/MicroLens",
    layout=layout,
    words=words,
    min_user=0,
    min_item=0,  # published thinned: users with five comments or more
    is_rated=False,
)
