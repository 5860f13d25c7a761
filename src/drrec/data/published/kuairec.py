"""KuaiRec: who watched how much of which video (Gao et al. 2022), some users of nearly all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drrec.data.config import LogConfig
from drrec.data.published import sql
from drrec.data.published.layout import Fault, Published, WordsFile
from drrec.data.readers.checks import LATEST, short
from drrec.data.times import number

if TYPE_CHECKING:
    import pathlib

    from drrec.data.published.config import PrepareConfig

HEADER = "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio"
MOST_WATCHED = 5.0
"""What is watched more often than that counts as that, as in EasyRL4Rec."""
LIKED_FROM = 1.0
"""The least watch ratio that is a like: watched to the end."""

_CATEGORIES = r"\[ *\d{1,9}(, *\d{1,9}){0,9} *\]"
_WATCHED = number("f[8]", "VARCHAR")
_SECONDS = f"CASE WHEN f[7] = '' THEN 0 ELSE {number('f[7]', 'VARCHAR')} END"
"""A view without a time comes before all others."""


def layout(first: str, config: PrepareConfig) -> sql.Form:
    """How its lines are read: a header, then eight fields, of which time may be missing.

    Raises:
        Fault: the header is another.
    """
    del config
    if first != HEADER:
        raise Fault(f"Expected the header {HEADER}. Received: {short(first)}")
    is_watched = f"{_WATCHED} >= 0 AND NOT isnan({_WATCHED})"
    is_time = f"{_SECONDS} >= 0 AND {_SECONDS} < {LATEST}"
    expected = "seconds since 1970, before the year 2200, or nothing"
    return sql.log_form(
        sql.CSV,
        "f[1]",
        "f[2]",
        f"TRY_CAST(round({_SECONDS} * 1000) AS BIGINT)",
        *sql.num_fields(8),
        sql.Check(sql.no(is_watched), "a watch_ratio of 0 or more", "f[8]"),
        sql.Check(sql.no(is_time), expected, "f[7]"),
        rating=f"least({_WATCHED}, {MOST_WATCHED})::VARCHAR",
        has_header=True,
    )


def words(path: pathlib.Path) -> WordsFile:
    """`item_categories.csv` beside the views: categories by number, as genres."""
    is_listed = f"regexp_full_match(trim(f[2]), '{_CATEGORIES}')"
    genres = r"regexp_extract_all(f[2], '\d+')"
    form = sql.Form(
        fields=sql.CSV,
        columns={"item": "trim(f[1])", "title": "''", "genres": genres},
        checks=(
            *sql.num_fields(2),
            sql.Check(sql.no(is_listed), "one to ten numbers such as [27, 9]", "f[2]"),
        ),
        has_header=True,
    )
    return WordsFile(path.with_name("item_categories.csv"), form)


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
