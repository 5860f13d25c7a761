"""Sessions, repeated rows and the k-core of a log."""

from __future__ import annotations

import numpy as np

from drrec.data.interactions import spans

_BLOCK = 1 << 20
"""Rows at a time."""


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


def core(
    columns: dict[str, np.ndarray],
    sizes: tuple[int, int],
    least: tuple[int, int],
    *,
    has_repeats: bool,
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """The rows of the largest part in which all have enough of the other side.

    Counted are the items of a user and the users of an item, not rows: who plays one artist a
    hundred times has one item.

    Args:
        columns: [R] each, by user: user from 0, item from 1, others; overwritten.
        sizes: how many users and items there are.
        least: how many items each user has, and how many users each item.
        has_repeats: whether a pair may come twice.

    Returns:
        The rows, with users and items numbered anew; [U] and [I] bool who is left.
    """
    user, item = columns["user"], columns["item"]
    has_user, has_item = (np.ones(size, bool) for size in sizes)
    num_before = -1
    while num_before != (num_before := int(has_user.sum() + has_item.sum())):
        of_user, of_item = (np.zeros(size, np.int64) for size in sizes)
        for start, end in spans(user, _BLOCK):
            users, items = user[start:end], item[start:end] - 1
            is_left = has_user[users] & has_item[items]
            if has_repeats:
                is_left &= last_of_pairs(users, items)
            of_user += np.bincount(users[is_left], minlength=len(of_user))
            of_item += np.bincount(items[is_left], minlength=len(of_item))
        has_user &= (of_user >= least[0]) & (of_user > 0)
        has_item &= (of_item >= least[1]) & (of_item > 0)
    numbers = {"user": np.cumsum(has_user) - 1, "item": np.cumsum(has_item)}
    num_kept = 0
    for start, end in spans(user, _BLOCK):
        keep = has_user[user[start:end]] & has_item[item[start:end] - 1]
        place = slice(num_kept, num_kept + int(keep.sum()))
        for name, column in columns.items():
            kept = column[start:end][keep]
            if name in numbers:
                kept = numbers[name][kept - (name == "item")]
            column[place] = kept
        num_kept = place.stop
    return {name: column[:num_kept] for name, column in columns.items()}, has_user, has_item


def _pairs(user: np.ndarray, item: np.ndarray) -> np.ndarray:
    return user * (np.int64(item.max(initial=0)) + 1) + item
