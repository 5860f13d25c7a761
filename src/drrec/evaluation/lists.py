"""What lists are like, whoever is pleased by them, as pure functions of `lists [U, K] int`.

Item 0 is an empty place. Coverage and Gini are of all lists together; novelty and diversity are of
each user's list. None of them is good by itself: Random is first in most.
"""

from __future__ import annotations

import numpy as np

from drrec.types import PADDING


def coverage(lists: np.ndarray, num_items: int) -> float:
    """The share of the catalogue that is on any list, in [0, 1].

    Args:
        lists: [U, K] item ids.
        num_items: I, padding included, as everywhere.

    Raises:
        ValueError: `lists` is not [U, K], or an id is out of range.
    """
    return float((_shown(lists, num_items) > 0).mean())


def gini(lists: np.ndarray, num_items: int) -> float:
    """How unequally the catalogue's items are shown, in [0, 1 − 1 / (I − 1)]; NaN of empty lists.

    0 if all are shown equally often, the most if one item fills all places. Items that are never
    shown count, as in RecBole: among the shown ones alone, giving everybody one and the same list
    would be perfectly equal.

    Args:
        lists: [U, K] item ids.
        num_items: I, padding included.

    Raises:
        ValueError: `lists` is not [U, K], or an id is out of range.
    """
    shown = np.sort(_shown(lists, num_items))
    if not shown.any():
        return float("nan")
    rank = np.arange(1, len(shown) + 1)
    return float(((2 * rank - len(shown) - 1) * shown).sum() / (len(shown) * shown.sum()))


def novelty(lists: np.ndarray, num_raters: np.ndarray, num_users: int) -> np.ndarray:
    """Mean self-information of each list in bits: −log2 of the share of users who have the item.

    Zhou et al. (2010). An item that nobody has counts as one that one user has.

    Args:
        lists: [U, K] item ids.
        num_raters: [I] how many users have each item in `train`.
        num_users: how many users `train` has, at least 1.

    Returns:
        [U] in [0, log2(num_users)], NaN for an empty list.

    Raises:
        ValueError: `lists` is not [U, K], or an id or a count is out of range.
    """
    _checked(lists, len(num_raters))
    if num_users < 1 or (num_raters < 0).any() or (num_raters > num_users).any():
        raise ValueError(
            "Expected between 0 and `num_users` raters of each item. Received: others. "
            "Count users, not rows."
        )
    bits = np.log2(num_users) - np.log2(np.maximum(num_raters, 1))  # [I]
    is_item = lists != PADDING
    return _mean(np.where(is_item, bits[lists], 0).sum(axis=1), is_item.sum(axis=1))


def diversity(lists: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """1 − the mean cosine of the pairs on each list (intra-list distance, Ziegler et al. 2005).

    Args:
        lists: [U, K] item ids, none twice on a list.
        vectors: [I, D] what items are like, such as their genres; items whose vector is zero, of
            which nothing is known, are passed over.

    Returns:
        [U] in [0, 2], and in [0, 1] if no vector has a negative entry; NaN where fewer than two
        items of a list are known.

    Raises:
        ValueError: `lists` is not [U, K], or an id is out of range.
    """
    _checked(lists, len(vectors))
    norm = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    unit = np.divide(vectors, norm, out=np.zeros(vectors.shape), where=norm > 0)
    unit[PADDING] = 0
    num_known = (unit.any(axis=1)[lists]).sum(axis=1)  # [U]
    total = np.zeros((len(lists), vectors.shape[1]))
    for place in range(lists.shape[1]):  # [U, K, D] at once would be large
        total += unit[lists[:, place]]
    # |Σ v|² has each pair twice, and each v with itself once.
    pairs = (total**2).sum(axis=1) - num_known
    mean_cosine = _mean(pairs, num_known * (num_known - 1))
    return np.clip(1 - mean_cosine, 0, 2)


def genre_vectors(genres: np.ndarray) -> np.ndarray | None:
    """[I, G] float32, 1 where an item is of a genre; None if no genre is known.

    Args:
        genres: [I] as `Dataset.genres` has them, joined by ", ".
    """
    own = [[name for name in row.split(", ") if name] for row in genres.tolist()]
    names = sorted({name for row in own for name in row})
    if not names:
        return None
    column = {name: index for index, name in enumerate(names)}
    vectors = np.zeros((len(own), len(names)), np.float32)
    for item, row in enumerate(own):
        vectors[item, [column[name] for name in row]] = 1
    return vectors


def _shown(lists: np.ndarray, num_items: int) -> np.ndarray:
    """[I − 1] how often each item is on a list."""
    _checked(lists, num_items)
    return np.bincount(lists.ravel(), minlength=num_items)[PADDING + 1 :]


def _checked(lists: np.ndarray, num_items: int) -> None:
    if lists.ndim != 2 or lists.size == 0 or lists.min() < 0 or lists.max() >= num_items:
        raise ValueError(
            f"Expected lists [U, K] of items below {num_items}. Received: shape {lists.shape}. "
            "Give dense item ids, 0 for an empty place."
        )


def _mean(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)
