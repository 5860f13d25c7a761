"""Coat: ratings of coats, of chosen ones and of ones drawn at random (Schnabel et al. 2016)."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING

from drrec.data.config import LogConfig
from drrec.data.published.layout import Layout, Published, Row, Words, WordsFile, rated
from drrec.data.readers.checks import short
from drrec.data.readers.streams import Fault

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

    from drrec.data.published.config import PrepareConfig

_NUM_FEATURES = 33
_TYPES = slice(2, 18)
"""The columns of the jacket type; before it men's or women's, after it colour and front page."""


def layout(first: str, config: PrepareConfig) -> Layout:
    """How its lines are read: one for each user, with a number for each item.

    Users and items are named by their places in the matrix, from 0.
    """
    del config
    return Layout(functools.partial(_ratings, itertools.count(), len(first.split())))


def _ratings(users: Iterator[int], num_items: int, line: str) -> list[Row]:
    user, fields = str(next(users)), line.split()
    if len(fields) != num_items:
        raise Fault(f"Expected {num_items} numbers, as in line 1. Received: {len(fields)}")
    if others := sorted(set(fields) - {*"012345"}):
        raise Fault(f"Expected ratings from 1 to 5, or 0 for none. Received: {short(others[0])}")
    marks = enumerate(fields)
    return [rated(user, str(item), float(mark), 0) for item, mark in marks if mark != "0"]


def words(path: pathlib.Path) -> WordsFile:
    """`user_item_features/item_features.ascii` beside the ratings: jacket types, as genres."""
    place = path.with_name("user_item_features") / "item_features.ascii"
    return WordsFile(place, functools.partial(_jacket, itertools.count()))


def _jacket(items: Iterator[int], line: str) -> Words:
    item, marks = str(next(items)), line.split()
    if len(marks) != _NUM_FEATURES or set(marks) - {*"01"}:
        received = short(line) if len(marks) == _NUM_FEATURES else f"{len(marks)} fields"
        raise Fault(f"Expected {_NUM_FEATURES} fields of 0 or 1. Received: {received}")
    types = [number for number, mark in enumerate(marks[_TYPES], start=1) if mark == "1"]
    return Words(item, "", [f"type {number}" for number in types])


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
