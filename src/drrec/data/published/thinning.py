"""Sessions, repeated rows and the k-core of a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def sessions(user: np.ndarray, milliseconds: np.ndarray, gap_minutes: float) -> np.ndarray:
    """[R] int32 the session of each row; a pause longer than the gap begins a new session.

    Args:
        user: [R] sorted.
        milliseconds: [R] sorted within each user.
        gap_minutes: the gap; a pause of exactly this length does not end a session.
    """
    starts = (np.diff(user) != 0) | (np.diff(milliseconds) > gap_minutes * 60_000)
    return np.concatenate([[0], np.cumsum(starts)])[: len(user)].astype(np.int32)


def last_of_pairs(user: np.ndarray, item: np.ndarray) -> np.ndarray:
    """[R] bool: the last row of each (user, item) pair."""
    import pandas as pd

    return ~pd.Series(_pairs(user, item)).duplicated(keep="last").to_numpy()


def apart(user: np.ndarray, item: np.ndarray, is_test: np.ndarray) -> np.ndarray:
    """[R] bool: test rows, and the rows whose (user, item) pair is not among them."""
    pairs = _pairs(user, item)
    return is_test | ~np.isin(pairs, pairs[is_test])


def core(user: np.ndarray, item: np.ndarray, min_user: int, min_item: int) -> np.ndarray:
    """[R] bool: the rows of the largest part in which all have enough of the other side.

    Counted are the items of a user and the users of an item, not rows: who plays one artist a
    hundred times has one item.

    Args:
        user: [R] numbers from 0.
        item: [R] numbers from 0.
        min_user: how many items each user has.
        min_item: how many users each item has.
    """
    pairs = np.unique(_pairs(user, item))
    width = np.int64(item.max(initial=0)) + 1
    blocks = [(pairs // width, pairs % width)]
    sizes = int(user.max(initial=0)) + 1, int(width)
    has_user, has_item = core_sides(lambda: blocks, sizes, (min_user, min_item))
    return has_user[user] & has_item[item]


def core_sides(
    blocks: Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]],
    sizes: tuple[int, int],
    least: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """[U] and [I] bool: the users and the items of the `core`.

    Args:
        blocks: gives the users and the items of some pairs at a time, no pair twice.
        sizes: U and I.
        least: how many items each user has, and how many users each item.
    """
    kept = [np.ones(size, bool) for size in sizes]
    while True:
        counts = [np.zeros(size, np.int64) for size in sizes]
        for user, item in blocks():
            is_left = kept[0][user] & kept[1][item]
            for count, ids in zip(counts, (user[is_left], item[is_left]), strict=True):
                count += np.bincount(ids, minlength=len(count))
        enough = [
            there & (count >= few) & (count > 0)
            for there, count, few in zip(kept, counts, least, strict=True)
        ]
        if all(np.array_equal(*both) for both in zip(enough, kept, strict=True)):
            return kept[0], kept[1]
        kept = enough


def _pairs(user: np.ndarray, item: np.ndarray) -> np.ndarray:
    return user * (np.int64(item.max(initial=0)) + 1) + item
