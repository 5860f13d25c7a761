"""Yelp Open Dataset: reviews of businesses, one JSON object a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drrec.data.published import sql
from drrec.data.published.layout import Published, WordsFile

if TYPE_CHECKING:
    import pathlib

    from drrec.data.published.config import PrepareConfig

_FIELDS = ("user_id", "business_id", "stars", "date")
_DATE = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?"
_MOMENT = f"CASE WHEN regexp_full_match(f[4], '{_DATE}') THEN TRY_CAST(f[4] AS TIMESTAMP) END"
"""Yelp says no zone: taken for UTC. Older releases give the day alone."""


def layout(first: str, config: PrepareConfig) -> sql.Form:
    """How its lines are read."""
    del first, config
    dated = sql.Check(sql.no(f"{_MOMENT} IS NOT NULL"), "a date like 2018-07-07 22:09:11", "f[4]")
    return sql.log_form(
        sql.json_fields(*_FIELDS),
        "f[1]",
        "f[2]",
        f"round(epoch_us({_MOMENT}) / 1000)::BIGINT",
        *sql.has_fields(*_FIELDS),
        dated,
        rating="f[3]",
    )


def words(path: pathlib.Path) -> WordsFile:
    """`yelp_academic_dataset_business.json` beside the reviews, compressed if they are."""
    names = ("business_id", "name")
    genres = "coalesce(string_split(f[3], ', '), [])"
    form = sql.Form(
        fields=sql.json_fields(*names, "categories"),
        columns={"item": "f[1]", "title": "f[2]", "genres": genres},
        checks=sql.has_fields(*names),
    )
    return WordsFile(path.with_name(path.name.replace("_review.", "_business.")), form)


YELP = Published(
    files=("yelp_academic_dataset_review.json", "yelp_academic_dataset_review.json.gz"),
    page="https://business.yelp.com/data/resources/open-dataset/",
    layout=layout,
    words=words,
)
