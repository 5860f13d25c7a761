"""Last.fm-1K: who played which track of which artist when (Celma 2010); a log without ratings."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from drrec.data.published.layout import Layout, Published, Row, rated
from drrec.data.readers.checks import short
from drrec.data.readers.streams import Fault
from drrec.data.scale import TAKEN

if TYPE_CHECKING:
    import pathlib

    from drrec.data.published.config import PrepareConfig
    from drrec.data.published.layout import WordsFile

NUM_FIELDS = 6
"""User, time, artist's id, artist's name, track's id, track's name."""


def layout(first: str, config: PrepareConfig) -> Layout:
    """How its lines are read: no header, six fields, tabs between them, quotes plain."""
    del first
    return Layout(_track if config.item == "track" else _artist)


def _artist(line: str) -> Row:
    user, when, artist, name, _, _ = _fields(line)
    return rated(user, artist or name, TAKEN, _milliseconds(when), name)


def _track(line: str) -> Row:
    user, when, _, name, track, title = _fields(line)
    if not title.strip() and not track:
        raise Fault("Expected a track. Received: an empty field")
    whole = f"{name} – {title}"
    return rated(user, track or whole, TAKEN, _milliseconds(when), whole)


def _fields(line: str) -> list[str]:
    fields = line.split("\t")
    if len(fields) != NUM_FIELDS:
        raise Fault(
            f"Expected {NUM_FIELDS} fields separated by tabs. Received: {len(fields)} of them"
        )
    return fields


def _milliseconds(when: str) -> int:
    try:
        moment = datetime.datetime.fromisoformat(when)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Fault(f"Expected a time like 2009-05-04T23:08:57Z. Received: {short(when)}")
    return round(moment.timestamp() * 1000)


def words(path: pathlib.Path) -> WordsFile | None:
    """None: each row names its artist and its track."""
    del path
    return None


LASTFM_1K = Published(
    files=(
        "userid-timestamp-artid-artname-traid-traname.tsv",
        "userid-timestamp-artid-artname-traid-traname.tsv.gz",
    ),
    page="http://ocelma.net/MusicRecommendationDataset/lastfm-1K.html",
    layout=layout,
    words=words,
    bad_rows="skip",  # the published file has nine lines that a stray tab or line end broke
    is_rated=False,
    has_sessions=True,
)
