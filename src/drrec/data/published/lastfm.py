"""Last.fm-1K: who played which track of which artist when (Celma 2010); a log without ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drrec.data.published import sql
from drrec.data.published.layout import Published

if TYPE_CHECKING:
    from drrec.data.published.config import PrepareConfig

_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d(:?\d\d)?)"
_MOMENT = f"CASE WHEN regexp_full_match(f[2], '{_TIME}') THEN TRY_CAST(f[2] AS TIMESTAMPTZ) END"
_WHOLE = "f[4] || ' – ' || f[6]"


def layout(first: str, config: PrepareConfig) -> sql.Form:
    """How its lines are read: no header, six fields, tabs between them, quotes plain.

    They are user, time, artist's id, artist's name, track's id and track's name.
    """
    del first
    is_track = config.item == "track"
    item, title = ("f[5]", _WHOLE) if is_track else ("f[3]", "f[4]")
    has_track = sql.Check("trim(f[6]) = '' AND f[5] = ''", "a track", "NULL")
    return sql.log_form(
        sql.TABS,
        "f[1]",
        f"coalesce(nullif({item}, ''), {title})",
        f"round(epoch_us({_MOMENT}) / 1000)::BIGINT",
        *sql.num_fields(6, "fields separated by tabs"),
        *((has_track,) if is_track else ()),
        sql.Check(sql.no(f"{_MOMENT} IS NOT NULL"), "a time like 2009-05-04T23:08:57Z", "f[2]"),
        title=title,
    )


LASTFM_1K = Published(
    files=(
        "userid-timestamp-artid-artname-traid-traname.tsv",
        "userid-timestamp-artid-artname-traid-traname.tsv.gz",
    ),
    page="http://ocelma.net/MusicRecommendationDataset/lastfm-1K.html",
    layout=layout,
    bad_rows="skip",  # the published file has nine lines that a stray tab or line end broke
    is_rated=False,
    has_sessions=True,
)
