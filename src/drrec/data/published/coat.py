"""Coat: ratings of coats, of chosen ones and of ones drawn at random (Schnabel et al. 2016)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drrec.data.config import LogConfig
from drrec.data.published import sql
from drrec.data.published.layout import Published, WordsFile

if TYPE_CHECKING:
    import pathlib

    from drrec.data.published.config import PrepareConfig

_FIELDS = r"string_split_regex(trim(line), '\s+')"
_NUM_FEATURES = 33
_TYPES = "f[3:18]"
"""The columns of the jacket type; before it men's or women's, after it colour and front page."""


def _others(known: str) -> str:
    return f"list_sort(list_filter(f, lambda x: x NOT IN ({', '.join(map(repr, known))})))[1]"


def layout(first: str, config: PrepareConfig) -> sql.Form:
    """How its lines are read: one for each user, with a number for each item.

    Users and items are named by their places in the matrix, from 0.
    """
    del config
    width, other = len(first.split()), _others("012345")
    return sql.Form(
        fields=_FIELDS,
        columns={"ratings": "f"},
        checks=(
            sql.Check(f"len(f) <> {width}", f"{width} numbers, as in line 1", "len(f)"),
            sql.Check(f"{other} IS NOT NULL", "ratings from 1 to 5, or 0 for none", other),
        ),
        places="user",
    )


def words(path: pathlib.Path) -> WordsFile:
    """`user_item_features/item_features.ascii` beside the ratings: jacket types, as genres."""
    expected, marks = f"{_NUM_FEATURES} fields of 0 or 1", f"range(1, len({_TYPES}) + 1)"
    marked = f"list_filter({marks}, lambda x: {_TYPES}[x] = '1')"
    form = sql.Form(
        fields=_FIELDS,
        columns={"title": "''", "genres": f"list_transform({marked}, lambda x: 'type ' || x)"},
        checks=(
            sql.Check(f"len(f) <> {_NUM_FEATURES}", expected, "len(f)"),
            sql.Check(f"{_others('01')} IS NOT NULL", expected),
        ),
        places="item",
    )
    return WordsFile(path.with_name("user_item_features") / "item_features.ascii", form)


COAT = Published(
    files=("train.ascii",),
    test="test.ascii",
    page="https://www.cs.cornell.edu/~schnabts/mnar/",
    layout=layout,
    words=words,
    min_user=0,
    min_item=0,
    is_timed=False,
    is_matrix=True,
    log=LogConfig(rating_scale="1,5"),
)
