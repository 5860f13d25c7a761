"""Amazon Reviews of 2018 (Ni et al. 2019) and of 2023 (Hou et al. 2024), one category each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drrec.data.published import sql
from drrec.data.published.layout import Fault, Published, WordsFile
from drrec.data.readers.checks import short

if TYPE_CHECKING:
    import pathlib

    from drrec.data.published.config import PrepareConfig

_ASIN = 10
"""Characters of an item's id."""
_NAMES_2018 = ("reviewerID", "asin", "overall", "unixReviewTime")
_NAMES_2023 = ("user_id", "parent_asin", "rating", "timestamp")


def layout_2018(first: str, config: PrepareConfig) -> sql.Form:
    """JSON lines, or `item,user,rating,timestamp` without a header."""
    del config
    if first.startswith("{"):
        return _reviews(_NAMES_2018)
    is_2014 = f"len(f[1]) <> {_ASIN} AND len(f[2]) = {_ASIN}"
    order = sql.Check(is_2014, "item,user, as in the release of 2018", "f[2]")
    checks = (*sql.num_fields(4), order, sql.whole("f[4]"))
    return sql.log_form(sql.CSV, "f[2]", "f[1]", sql.since_1970("f[4]"), *checks, rating="f[3]")


def layout_2023(first: str, config: PrepareConfig) -> sql.Form:
    """JSON lines, or CSV whose header has `user_id,parent_asin,rating,timestamp`.

    Raises:
        Fault: the header lacks one of these.
    """
    del config
    if first.startswith("{"):
        return _reviews(_NAMES_2023)
    names = first.split(",")
    missing = [name for name in _NAMES_2023 if name not in names]
    if missing:
        raise Fault(
            f"Expected the header {','.join(_NAMES_2023)}. "
            f"Received: {short(first)}, without {missing[0]}"
        )
    user, item, rating, stamp = (f"f[{names.index(name) + 1}]" for name in _NAMES_2023)
    checks = (*sql.num_fields(len(names)), sql.whole(stamp))
    return sql.log_form(
        sql.CSV, user, item, sql.since_1970(stamp), *checks, rating=rating, has_header=True
    )


def _reviews(names: tuple[str, ...]) -> sql.Form:
    checks = (*sql.has_fields(*names), sql.whole("f[4]"))
    fields = sql.json_fields(*names)
    return sql.log_form(fields, "f[1]", "f[2]", sql.since_1970("f[4]"), *checks, rating="f[3]")


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
    return WordsFile(there[0] if there else places[0], _products())


def _products() -> sql.Form:
    title, genres = "json_extract(f, '/title')", "json_extract(f, '$.{}[*]')"
    listed = f"CASE WHEN len({genres}) > 0 THEN {genres} ELSE {genres} END"
    listed = listed.format("categories", "categories", "category")
    texts = f"list_filter({listed}, lambda x: json_type(x) = 'VARCHAR')"
    return sql.Form(
        fields=sql.JSON,
        columns={
            "item": "coalesce(nullif(f ->> '/parent_asin', ''), f ->> '/asin')",
            "title": f"CASE WHEN json_type({title}) = 'VARCHAR' THEN f ->> '/title' ELSE '' END",
            "genres": f"list_transform({texts}, lambda x: x ->> '$')",
        },
        checks=(
            sql.Check("f IS NULL", "JSON"),
            sql.Check("NOT starts_with(trim(f), '{')", "a JSON object"),
            sql.Check("item IS NULL", "the field asin or parent_asin"),
        ),
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
