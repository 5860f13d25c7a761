"""What ratings say of each item's vector while the users' stay as they are.

Given the users, a factorisation's squared error is a quadratic in each item's vector,
c·A c − 2 b·c, whatever the number of ratings: so an encoder of content is trained on the very loss
of the factorisation, exactly, without passing over the ratings again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse

from drrec.embeddings.grams import Grams, row_blocks
from drrec.embeddings.implicit import unobserved_weight_of
from drrec.embeddings.variational import NOISE_PRECISION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drrec.data.interactions import Interactions

_IMPLICIT_PRECISION = 10.0  # chosen on validation; a weighted loss has no noise of its own
_EM_STEPS = 30
_LEAST_VARIANCE = 1e-4  # of items of length 1: less makes a loss that gradients do not get down

MOST_KEPT = 2**28
"""Bytes of D² numbers for each item up to which they are kept; larger ones are made again by block
whenever they are needed."""


class Information:
    """[I, D, D] made for the items that are asked for, so that the whole is never in memory."""

    def __init__(self, make: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...]) -> None:
        """`make` gives [n, D, D] for item ids [n]; `shape` is (I, D, D)."""
        self._make, self.shape = make, shape

    def __getitem__(self, items: np.ndarray) -> np.ndarray:
        """[n, D, D] of item ids [n], or where [I] bool."""
        return self._make(np.flatnonzero(items) if items.dtype == bool else items)


class Evidence(NamedTuple):
    """The quadratic loss of every item; zero for an item that nobody rated."""

    information: np.ndarray | Information  # [I, D, D] float64, A
    target: np.ndarray  # [I, D] float64, b

    @classmethod
    def by(cls, make: Callable[[np.ndarray], np.ndarray], target: np.ndarray) -> Evidence:
        """With what `make` gives for item ids [n], [n, D, D], kept whole if it is small."""
        shape = (*target.shape, target.shape[1])
        if np.prod(shape, dtype=float) * 8 <= MOST_KEPT:
            return cls(make(np.arange(len(target))), target)
        return cls(Information(make, shape), target)

    def where(self, items: np.ndarray) -> Evidence:
        """Of these items only."""
        return Evidence(self.information[items], self.target[items])

    def of(self, columns: slice) -> Evidence:
        """Of these coordinates only, which no others are entangled with."""
        information, target = self.information, self.target[:, columns]
        if isinstance(information, Information):
            return Evidence.by(lambda items: information[items][:, columns, columns], target)
        return Evidence(information[:, columns, columns], target)

    @property
    def is_rated(self) -> np.ndarray:
        """[I] bool: whom anything is known of."""
        return np.asarray(self.target.any(axis=1))

    def expecting(self, item: np.ndarray) -> Evidence:
        """With what is expected of any rated item: to be distributed as the rated of `item [I, D]`.

        Where users hardly differ, their ratings say little of an item's vector: without this an
        encoder may put it anywhere there.
        """
        information, is_rated = self.information, self.is_rated
        known = item[is_rated].astype(np.float64)
        spread = np.cov(known, rowvar=False, ddof=0) + _LEAST_VARIANCE * np.eye(item.shape[1])
        precision = np.linalg.inv(spread)
        return Evidence.by(
            lambda items: information[items] + is_rated[items, None, None] * precision,
            self.target + is_rated[:, None] * (precision @ known.mean(axis=0)),
        )


def explicit_evidence(
    ratings: Interactions,
    user: np.ndarray,
    mean: float,
    *,
    noise_precision: float = NOISE_PRECISION,
) -> Evidence:
    """Of rating ≈ mean + u·c, in units of the rating's noise."""
    by_item = _by_item(ratings, ratings.rating - mean)
    observed = _by_item(ratings, np.ones(len(ratings)))
    grams = Grams(user.astype(np.float64))
    return Evidence.by(
        lambda items: noise_precision * grams.sums(observed[items]),
        noise_precision * (by_item @ user),
    )


def implicit_evidence(
    ratings: Interactions,
    user: np.ndarray,
    mean: float,
    *,
    unobserved_weight: float | None = None,
) -> Evidence:
    """Of 1 for an interaction and 0 else, as `fit_implicit` weighs them."""
    unobserved = unobserved_weight_of(ratings, unobserved_weight)
    weight = np.ones(len(ratings)) if ratings.weight is None else ratings.weight
    observed = _by_item(ratings, weight)
    is_known = np.diff(observed.indptr) > 0
    # Users without interactions are not in the loss: their vectors are the others' mean.
    active = user[np.unique(ratings.user)].astype(np.float64)
    everywhere = unobserved * active.T @ active
    beyond, grams = _by_item(ratings, weight - unobserved), Grams(user.astype(np.float64))

    def information(items: np.ndarray) -> np.ndarray:
        there = grams.sums(beyond[items]) + is_known[items, None, None] * everywhere
        return _IMPLICIT_PRECISION * there

    return Evidence.by(information, _IMPLICIT_PRECISION * (observed @ user))


def side_by_side(parts: Sequence[Evidence], item: np.ndarray) -> Evidence:
    """Of several factorisations, each on its own columns, and of columns beyond theirs, if any.

    In these the loss of a rated item is least at its `item [I, D]`.
    """
    widths = [part.target.shape[1] for part in parts]
    target = np.zeros(item.shape)
    for columns, part in zip(columns_of(widths), parts, strict=True):
        target[:, columns] = part.target
    is_rated = np.asarray(target.any(axis=1))
    rest = range(sum(widths), item.shape[1])
    weight = 0.0

    def information(items: np.ndarray) -> np.ndarray:
        made = np.zeros((len(items), item.shape[1], item.shape[1]))
        for columns, part in zip(columns_of(widths), parts, strict=True):
            made[:, columns, columns] = part.information[items]
        for column in rest:
            made[is_rated[items], column, column] = weight
        return made

    if rest:
        rated = np.flatnonzero(is_rated)
        blocks = (information(rated[rows]) for rows in row_blocks(len(rated)))
        traces = [np.trace(block, axis1=1, axis2=2) for block in blocks]
        weight = np.concatenate(traces).mean() / sum(widths)
    for column in rest:
        target[is_rated, column] = weight * item[is_rated, column]
    return Evidence.by(information, target)


def columns_of(widths: Sequence[int]) -> list[slice]:
    """Where each factorisation of these widths stands in a table."""
    ends = np.cumsum(widths).tolist()
    return [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]


def posterior(evidence: Evidence, prior_mean: np.ndarray) -> np.ndarray:
    """[I, D] the vectors that `evidence` and a Gaussian prior around `prior_mean [I, D]` make.

    The prior's covariance is fitted by expectation maximisation: the better `prior_mean` predicts
    the vectors of rated items, the more it counts. An item without ratings gets its `prior_mean`.
    """
    is_rated = evidence.is_rated
    rated = np.flatnonzero(is_rated)
    target, mean = evidence.target[is_rated], prior_mean[is_rated].astype(np.float64)
    dim = mean.shape[1]
    precision, vectors = np.eye(dim), mean
    for _ in range(_EM_STEPS):
        vectors, uncertainty = np.empty_like(mean), np.zeros((dim, dim))
        for rows in row_blocks(len(rated)):
            covariance = np.linalg.inv(evidence.information[rated[rows]] + precision)
            vectors[rows] = np.einsum(
                "nij,nj->ni", covariance, target[rows] + mean[rows] @ precision
            )
            uncertainty += covariance.sum(axis=0)
        residual = vectors - mean
        spread = residual.T @ residual / len(mean) + uncertainty / len(mean)
        precision = np.linalg.inv(spread + _LEAST_VARIANCE * np.eye(dim))
    result = prior_mean.astype(np.float32)
    result[is_rated] = vectors
    return result


def _by_item(ratings: Interactions, values: np.ndarray) -> scipy.sparse.csr_matrix:
    shape = (ratings.num_items, ratings.num_users)
    return scipy.sparse.csr_matrix((values, (ratings.item, ratings.user)), shape, np.float64)
