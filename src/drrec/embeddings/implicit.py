"""Implicit matrix factorisation by alternating least squares (Hu, Koren and Volinsky 2008).

What a user interacted with is worth 1, with the weight of the row, and all else 0, with a small
weight; the penalty grows with the number of interactions (Rendle et al. 2022, *Revisiting the
performance of iALS*). What the ratings say is not read: this ranks a whole catalogue by what comes
next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse

from drrec.embeddings.grams import Grams, in_threads, row_blocks
from drrec.embeddings.table import Embeddings

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions

MOST_UNOBSERVED = 0.3
"""Largest default weight of a pair without interaction, beside 1 for one with."""

UNOBSERVED_IN_ALL = 30.0
"""By default all pairs without interaction weigh at most so many times as much as those with one.

Vectors shrink to nothing, and a ranking to chance, where the penalty outgrows the log's singular
values. Rows of n interactions among I items have the penalty l2 (n + w I), so that this happens as
l2 (1 + w / density) nears 1: the weight w must fall with the density. Measured on seven logs of
densities .06 to .002; see docs/howto/own-log.md.
"""


WIDE = 48
"""D from which on vectors are improved by conjugate gradients, in place of being solved for.

Solving costs R · D² + (U + I) · D³, improving R · D for each step. With a million interactions, a
half sweep takes 1.3 and .8 s of the processor at D = 32, 5.1 and 1.9 at 64, 122 and 5.8 at 256.
"""

MANY = 1_000_000
"""Interactions from which on vectors of any width are improved: 2.3 million take 11 and 5 s a sweep
at D = 33."""

IMPROVED_AT_ONCE = 512
"""Rows that are improved at once: with their interactions' vectors they fit into a cache."""

STEPS = 3
"""Of conjugate gradients in each half sweep; after 15 the loss is .02 % above that of solving."""


def fit_implicit(
    train: Interactions,
    *,
    dim: int,
    start: Embeddings | None = None,
    num_sweeps: int = 15,
    embedding_l2: float = 0.01,
    unobserved_weight: float | None = None,
    seed: int = 0,
) -> Embeddings:
    """Fit item and user vectors on who has interacted with what in `train`.

    Args:
        train: the interactions to learn from.
        dim: D.
        start: what to go on from, so that the axes keep their meaning; None starts anew.
        num_sweeps: passes of alternating least squares.
        embedding_l2: penalty for each row's interactions, counted as in the loss.
        unobserved_weight: of a pair without interaction; None takes `unobserved_weight_of`.
        seed: of a start anew.

    Returns:
        Embeddings with row 0 of `item` zero; a user without interactions gets the mean vector.
    """
    rng = np.random.default_rng(seed)
    unobserved_weight = unobserved_weight_of(train, unobserved_weight)
    shape = (train.num_users, train.num_items)
    weight = np.ones(len(train)) if train.weight is None else train.weight.astype(np.float64)
    by_user = scipy.sparse.csr_matrix((weight, (train.user, train.item)), shape)
    more = weight - unobserved_weight
    beyond = scipy.sparse.csr_matrix((more, (train.user, train.item)), shape)
    by_item, beyond_by_item = by_user.T.tocsr(), beyond.T.tocsr()
    item = start.item if start else rng.normal(0, 0.1, (train.num_items, dim))
    user = np.zeros((train.num_users, dim))
    for _ in range(num_sweeps):
        user = _solved(by_user, beyond, item, unobserved_weight, embedding_l2, user)
        item = _solved(by_item, beyond_by_item, user, unobserved_weight, embedding_l2, item)
    is_known = np.diff(by_user.indptr) > 0
    user[~is_known] = user[is_known].mean(axis=0)
    return Embeddings(item.astype(np.float32), user.astype(np.float32), 0.0, train.fingerprint)


def unobserved_weight_of(train: Interactions, asked: float | None) -> float:
    """The weight asked for, or else one that falls with the log's density."""
    if asked is not None:
        return asked
    pairs = float(len(np.unique(train.user))) * len(np.unique(train.item))
    return min(MOST_UNOBSERVED, UNOBSERVED_IN_ALL * len(train) / pairs)


def _solved(
    seen: scipy.sparse.csr_matrix,
    beyond: scipy.sparse.csr_matrix,
    others: np.ndarray,
    unobserved_weight: float,
    l2: float,
    before: np.ndarray,
) -> np.ndarray:
    """[n, D] the least squares vector of every row, nearly so if D is wide; zero without rows.

    `seen` has the weights, and `beyond` how far these exceed that of an unobserved pair. `before`
    [n, D] is what wide vectors are improved from.
    """
    dim, counts = others.shape[1], np.diff(seen.indptr)
    num_others = (np.abs(others).sum(axis=1) > 0).sum()
    everywhere = unobserved_weight * others.T @ others
    is_improved = dim >= WIDE or seen.nnz >= MANY
    grams = None if is_improved else Grams(others)
    solved = np.zeros((seen.shape[0], dim))

    def solve(block: slice) -> None:
        rows = np.arange(block.start, block.stop)[counts[block] > 0]
        penalty = l2 * (counts[rows] + unobserved_weight * num_others)
        wanted = seen[rows] @ others
        if grams is None:
            products = _Products(beyond[rows], others, everywhere, penalty)
            solved[rows] = _improved(products, wanted, before[rows])
            return
        left = everywhere + grams.sums(beyond[rows])
        left += penalty[:, None, None] * np.eye(dim)
        solved[rows] = np.linalg.solve(left, wanted[:, :, None])[:, :, 0]

    if is_improved:
        in_threads(solve, row_blocks(len(solved), IMPROVED_AT_ONCE))
    else:
        for block in row_blocks(len(solved)):
            solve(block)
    return solved


class _Products:
    """Products of each row's D × D matrix with a vector, without the matrix: R · D, not R · D²."""

    def __init__(
        self,
        beyond: scipy.sparse.csr_matrix,
        others: np.ndarray,
        everywhere: np.ndarray,
        penalty: np.ndarray,
    ) -> None:
        """As in `_solved`: of n rows, `everywhere` [D, D] and `penalty` [n]."""
        self._beyond, self._others = beyond, others
        self._everywhere, self._penalty = everywhere, penalty[:, None]
        self._row = np.repeat(np.arange(beyond.shape[0]), np.diff(beyond.indptr))
        self._there = others[beyond.indices]  # [R, D]

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """[n, D] -> [n, D]."""
        there = self._beyond
        data = there.data * np.einsum("rd,rd->r", self._there, vectors[self._row])
        weights = scipy.sparse.csr_matrix((data, there.indices, there.indptr), there.shape)
        return vectors @ self._everywhere + weights @ self._others + self._penalty * vectors


def _improved(products: _Products, wanted: np.ndarray, before: np.ndarray) -> np.ndarray:
    """[n, D] after a few steps of conjugate gradients from `before` towards `wanted`, [n, D] each.

    Takács, Pilászy and Tikk 2011, *Applications of the conjugate gradient method for implicit
    feedback collaborative filtering*.
    """
    vectors, left = before, wanted - products(before)
    direction, size = left, np.sum(left * left, axis=1, keepdims=True)
    for _ in range(STEPS):
        moved = products(direction)
        along = np.sum(direction * moved, axis=1, keepdims=True)
        step = np.divide(size, along, out=np.zeros_like(size), where=along > 0)
        vectors, left = vectors + step * direction, left - step * moved
        smaller = np.sum(left * left, axis=1, keepdims=True)
        direction = left + direction * np.divide(
            smaller, size, out=np.zeros_like(size), where=size > 0
        )
        size = smaller
    return vectors
