"""Sessions, repeated rows and the k-core of a log."""

from __future__ import annotations

import numpy as np
import pandas as pd


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
    left_user, left_item = pairs // width, pairs % width
    while True:
        of_user, of_item = np.bincount(left_user), np.bincount(left_item)
        keep = (of_user[left_user] >= min_user) & (of_item[left_item] >= min_item)
        if keep.all():
            break
        left_user, left_item = left_user[keep], left_item[keep]
    return np.isin(user, left_user) & np.isin(item, left_item)


def _pairs(user: np.ndarray, item: np.ndarray) -> np.ndarray:
    return user * (np.int64(item.max(initial=0)) + 1) + item
