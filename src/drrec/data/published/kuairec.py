"""KuaiRec: who watched how much of which video (Gao et al. 2022), some users of nearly all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from drrec.data.config import LogConfig
from drrec.data.published.layout import (
    Layout,
    Published,
    Row,
    Words,
    WordsFile,
    csv_fields,
    rated,
)
from drrec.data.readers.checks import LATEST, number, short
from drrec.data.readers.streams import Fault

if TYPE_CHECKING:
    import pathlib

    from drrec.data.published.config import PrepareConfig

HEADER = "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio"
MOST_WATCHED = 5.0
"""What is watched more often than that counts as that, as in EasyRL4Rec."""
LIKED_FROM = 1.0
"""The least watch ratio that is a like: watched to the end."""

_CATEGORIES = re.compile(r"\[ *\d{1,9}(, *\d{1,9}){0,9} *\]", re.ASCII)


def layout(first: str, config: PrepareConfig) -> Layout:
    """How its lines are read: a header, then eight fields, of which time may be missing.

    Raises:
        Fault: the header is another.
    """
    del config
    if first != HEADER:
        raise Fault(f"Expected the header {HEADER}. Received: {short(first)}")
    return Layout(_view, has_header=True)


def _view(line: str) -> Row:
    user, item, _, _, _, _, timestamp, ratio = csv_fields(line, 8)
    watched = number(ratio)
    if not watched >= 0:
        raise Fault(f"Expected a watch_ratio of 0 or more. Received: {short(ratio)}")
    return rated(user, item, min(watched, MOST_WATCHED), _milliseconds(timestamp))


def _milliseconds(timestamp: str) -> int:
    """A view without a time comes before all others."""
    seconds = number(timestamp or "0")
    if not 0 <= seconds < LATEST:
        raise Fault(
            "Expected seconds since 1970, before the year 2200, or nothing. Received: "
            f"{short(timestamp)}"
        )
    return round(seconds * 1000)


def words(path: pathlib.Path) -> WordsFile:
    """`item_categories.csv` beside the views: categories by number, as genres."""
    return WordsFile(path.with_name("item_categories.csv"), _categories, has_header=True)


def _categories(line: str) -> Words:
    item, listed = csv_fields(line, 2)
    if not _CATEGORIES.fullmatch(listed.strip()):
        raise Fault(f"Expected one to ten numbers such as [27, 9]. Received: {short(listed)}")
    return Words(item.strip(), "", re.findall(r"\d+", listed))


KUAIREC = Published(
    files=("big_matrix.csv", "data/big_matrix.csv"),
    test="small_matrix.csv",
    page="https://kuairec.com/",
    layout=layout,
    words=words,
    min_user=0,
    min_item=0,
    is_ended=True,
    log=LogConfig(rating_scale=f"0,{MOST_WATCHED:g}", like_from=LIKED_FROM),
)
