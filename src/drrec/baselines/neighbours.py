"""Nearest neighbours by shrunk cosine similarity, and user and item biases."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drrec.data.interactions import Interactions

MAX_SIMILARITIES = 2**23
"""Similarities held in memory at once."""

SPARSE_FROM = 20_000
"""Items, or users, from which on similarities are made of those who have somebody in common.

With fewer a dense product is as fast.
"""

BIAS_ROUNDS = 5
"""Rounds of alternating fits of user and item biases."""


@dataclasses.dataclass(frozen=True, eq=False)
class Neighbourhood:
    """The nearest neighbours of each item, or of each user."""

    by: Literal["item", "user"]
    similarity: sp.csr_array  # [I, I] with those of an item in its column, or [U, U] in its row

    @classmethod
    def of(
        cls,
        by: Literal["item", "user"],
        ratings: sp.csr_array,
        num_neighbours: int,
        shrinkage: float,
    ) -> Self:
        """By the cosine of their columns or rows in `ratings [U, I]`; see `nearest`."""
        columns = sp.csc_array(ratings if by == "item" else ratings.T)
        found = nearest(columns, num_neighbours, shrinkage)
        return cls(by, found if by == "item" else sp.csr_array(found.T))

    def folded_in(
        self, own: sp.csr_array, others: sp.csr_array, num_neighbours: int, shrinkage: float
    ) -> Self:
        """The neighbours of other users, rows of `own [V, I]`, among rows of `others [U, I]`."""
        if self.by == "item":
            return self
        columns = sp.csc_array(others.T)
        found = shrunk_cosines(columns, sp.csc_array(own.T), shrinkage)  # [U, V]
        return dataclasses.replace(self, similarity=sp.csr_array(largest(found, num_neighbours).T))

    def summed(self, own: sp.csr_array, table: sp.csr_array, users: np.ndarray) -> np.ndarray:
        """Sums over neighbours, weighted by similarity.

        Args:
            own: [V, I] what is summed over near items.
            table: [U, I] what is summed over near users.
            users: [B] rows of `own`.

        Returns:
            [B, I], of a user's entries for the items near i, or of near users' entries for i.
        """
        if self.by == "item":
            return (own[users] @ self.similarity).toarray()
        return (self.similarity[users] @ table).toarray()


def by_pair(train: Interactions, value: np.ndarray) -> sp.csr_array:
    """[U, I] the mean `value [R]` of each user's rows of each item; a zero stays an entry."""
    pairs = (train.user, train.item)
    shape = (train.num_users, train.num_items)
    total = sp.coo_array((value.astype(np.float64), pairs), shape).tocsr()
    total.data /= sp.coo_array((np.ones(len(train)), pairs), shape).tocsr().data
    return total


def taken(train: Interactions) -> sp.csr_array:
    """[U, I] 1 for each pair with a row or several."""
    return by_pair(train, np.ones(len(train)))


def confidences(train: Interactions) -> sp.csr_array:
    """[U, I] `taken`, or the mean weight of each pair's rows where rows have weights."""
    return taken(train) if train.weight is None else by_pair(train, train.weight)


def biases(train: Interactions, damping: float) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares user levels and item biases, by turns.

    Args:
        train: the ratings.
        damping: imagined ratings without bias added to each item.

    Returns:
        [U] the overall mean plus each user's bias, and [I] each item's bias.
    """
    overall = train.rating.mean(dtype=np.float64)
    user_count = np.maximum(train.counts(), 1)
    item_count = np.bincount(train.item, minlength=train.num_items)
    item_bias = np.zeros(train.num_items)
    for _ in range(BIAS_ROUNDS):
        rest = train.rating - overall - item_bias[train.item]  # [R]
        user_bias = np.bincount(train.user, rest, minlength=train.num_users) / user_count
        rest = train.rating - overall - user_bias[train.user]
        total = np.bincount(train.item, rest, minlength=train.num_items)
        item_bias = total / np.maximum(item_count + damping, 1)
    return overall + user_bias, item_bias


def nearest(ratings: sp.csc_array, num_neighbours: int, shrinkage: float) -> sp.csr_array:
    """The shrunk cosine of each item with its nearest others.

    A cosine over n common users is scaled by n / (n + shrinkage).

    Args:
        ratings: [U, I], centred; an explicit zero is a rating too.
        num_neighbours: how many others to keep; only positive similarities are.
        shrinkage: see above.

    Returns:
        [I, I], column i holds the neighbours of i.
    """
    num_items = ratings.shape[1]
    if num_items >= SPARSE_FROM:
        return _nearest_of_many(ratings, num_neighbours, shrinkage)
    size = max(1, MAX_SIMILARITIES // num_items)
    unit, present = _unit(ratings), _present(ratings)
    blocks = []
    for start in range(0, num_items, size):
        block = slice(start, min(start + size, num_items))
        similarity = _shrunk(unit, present, unit[:, block], present[:, block], shrinkage)
        similarity[np.arange(block.start, block.stop), np.arange(similarity.shape[1])] = 0
        blocks.append(largest(similarity, num_neighbours))
    return sp.csr_array(sp.hstack(blocks))


def _nearest_of_many(ratings: sp.csc_array, num_neighbours: int, shrinkage: float) -> sp.csr_array:
    """The same without a number for pairs that have no user in common, most of a large catalogue.

    Of neighbours that are as near, those of lower id are kept.
    """
    unit, present = _unit(ratings).tocsr(), _present(ratings).tocsr()
    unit_by_item, present_by_item = unit.T.tocsr(), present.T.tocsr()
    pairs = present_by_item @ np.diff(present.indptr).astype(np.float64)  # [I] products of each
    blocks = []
    for start, stop in _blocks_of(pairs, MAX_SIMILARITIES):
        similarity = unit_by_item[start:stop] @ unit  # [block, I]
        common = present_by_item[start:stop] @ present
        common.data = common.data / np.maximum(common.data + shrinkage, 1)
        similarity = sp.csr_array(similarity.multiply(common))
        blocks.append(_largest_of_sparse(similarity, num_neighbours, start))
    return sp.csr_array(sp.vstack(blocks).T)


def _blocks_of(cost: np.ndarray, most: int) -> Iterator[tuple[int, int]]:
    """Ranges of items whose `cost [I]` adds up to `most`, or single ones that exceed it."""
    start, total = 0, 0.0
    for item, own in enumerate(cost.tolist()):
        if item > start and total + own > most:
            yield start, item
            start, total = item, 0.0
        total += own
    yield start, len(cost)


def _largest_of_sparse(similarity: sp.csr_array, kept: int, first: int) -> sp.csr_array:
    """The positive ones among the `kept` largest of each row, row j being item `first` + j."""
    counts = np.diff(similarity.indptr)
    row, item, value = (
        np.repeat(np.arange(len(counts)), counts),
        similarity.indices,
        similarity.data,
    )
    value[item == row + first] = 0
    least = np.zeros(len(counts))
    for each in np.flatnonzero(counts > kept):
        own = value[similarity.indptr[each] : similarity.indptr[each + 1]]
        least[each] = np.partition(own, -kept)[-kept]
    is_near = (value > 0) & (value >= least[row])
    row, item, value = row[is_near], item[is_near], value[is_near]
    order = np.lexsort((item, -value, row))
    row, item, value = row[order], item[order], value[order]
    is_kept = np.arange(len(row)) - np.searchsorted(row, row) < kept
    return sp.csr_array((value[is_kept], (row[is_kept], item[is_kept])), similarity.shape)


def shrunk_cosines(first: sp.csc_array, second: sp.csc_array, shrinkage: float) -> np.ndarray:
    """[n, m] of columns [U, n] and [U, m], scaled by common rows as in `nearest`."""
    return _shrunk(_unit(first), _present(first), _unit(second), _present(second), shrinkage)


def _shrunk(
    first: sp.csr_array,
    first_present: sp.csc_array,
    second: sp.csr_array,
    second_present: sp.csc_array,
    shrinkage: float,
) -> np.ndarray:
    cosine = (first.T @ second).toarray()
    common = (first_present.T @ second_present).toarray()
    return cosine * common / np.maximum(common + shrinkage, 1)


def _unit(columns: sp.csc_array) -> sp.csr_array:
    norm = np.sqrt(columns.power(2).sum(axis=0))
    inverse = np.divide(1, norm, out=np.zeros_like(norm), where=norm > 0)
    return sp.csr_array(columns @ sp.diags_array(inverse))


def _present(columns: sp.csc_array) -> sp.csc_array:
    present = columns.copy()
    present.data = np.ones_like(columns.data)
    return present


def largest(similarity: np.ndarray, kept: int) -> sp.csr_array:
    """The positive ones among the `kept` largest values of each column, [I, block] both ways."""
    kept = min(kept, len(similarity))
    rows = np.argpartition(-similarity, kept - 1, axis=0)[:kept]  # [kept, block]
    value = np.maximum(np.take_along_axis(similarity, rows, axis=0), 0)
    columns = np.broadcast_to(np.arange(similarity.shape[1]), rows.shape)
    found = value > 0
    return sp.csr_array((value[found], (rows[found], columns[found])), similarity.shape)
