"""What ratings say of each item's vector while the users' stay as they are.

Given the users, a factorisation's squared error is a quadratic in each item's vector,
c·A c − 2 b·c, whatever the number of ratings: so an encoder of content is trained on the very loss
of the factorisation, exactly, without passing over the ratings again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse

from drrec.embeddings.implicit import unobserved_weight_of
from drrec.embeddings.variational import NOISE_PRECISION

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions

_IMPLICIT_PRECISION = 10.0  # chosen on validation; a weighted loss has no noise of its own
_EM_STEPS = 30
_LEAST_VARIANCE = 1e-4  # of items of length 1: less makes a loss that gradients do not get down


class Evidence(NamedTuple):
    """The quadratic loss of every item; zero for an item that nobody rated."""

    information: np.ndarray  # [I, D, D] float64, A
    target: np.ndarray  # [I, D] float64, b

    def where(self, items: np.ndarray) -> Evidence:
        """Of these items only."""
        return Evidence(self.information[items], self.target[items])

    def of(self, columns: slice) -> Evidence:
        """Of these coordinates only, which no others are entangled with."""
        return Evidence(self.information[:, columns, columns], self.target[:, columns])

    @property
    def is_rated(self) -> np.ndarray:
        """[I] bool: whom anything is known of."""
        return np.asarray(self.target.any(axis=1))

    def expecting(self, item: np.ndarray) -> Evidence:
        """With what is expected of any rated item: to be distributed as the rated of `item [I, D]`.

        Where users hardly differ, their ratings say little of an item's vector: without this an
        encoder may put it anywhere there.
        """
        is_rated = self.is_rated
        known = item[is_rated].astype(np.float64)
        spread = np.cov(known, rowvar=False, ddof=0) + _LEAST_VARIANCE * np.eye(item.shape[1])
        precision = np.linalg.inv(spread)
        return Evidence(
            self.information + is_rated[:, None, None] * precision,
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
    return Evidence(
        noise_precision * _outer_sums(observed, user), noise_precision * (by_item @ user)
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
    there = _outer_sums(_by_item(ratings, weight - unobserved), user)
    information = there + is_known[:, None, None] * everywhere
    return Evidence(_IMPLICIT_PRECISION * information, _IMPLICIT_PRECISION * (observed @ user))


def posterior(evidence: Evidence, prior_mean: np.ndarray) -> np.ndarray:
    """[I, D] the vectors that `evidence` and a Gaussian prior around `prior_mean [I, D]` make.

    The prior's covariance is fitted by expectation maximisation: the better `prior_mean` predicts
    the vectors of rated items, the more it counts. An item without ratings gets its `prior_mean`.
    """
    is_rated = evidence.is_rated
    information, target = evidence.where(is_rated)
    mean = prior_mean[is_rated].astype(np.float64)
    dim = mean.shape[1]
    precision, vectors = np.eye(dim), mean
    for _ in range(_EM_STEPS):
        covariance = np.linalg.inv(information + precision)
        vectors = np.einsum("nij,nj->ni", covariance, target + mean @ precision)
        residual = vectors - mean
        spread = residual.T @ residual / len(mean) + covariance.mean(axis=0)
        precision = np.linalg.inv(spread + _LEAST_VARIANCE * np.eye(dim))
    result = prior_mean.astype(np.float32)
    result[is_rated] = vectors
    return result


def _by_item(ratings: Interactions, values: np.ndarray) -> scipy.sparse.csr_matrix:
    shape = (ratings.num_items, ratings.num_users)
    return scipy.sparse.csr_matrix((values, (ratings.item, ratings.user)), shape, np.float64)


def _outer_sums(observed: scipy.sparse.csr_matrix, user: np.ndarray) -> np.ndarray:
    dim = user.shape[1]
    outer = (user[:, :, None].astype(np.float64) * user[:, None, :]).reshape(len(user), -1)
    return (observed @ outer).reshape(-1, dim, dim)
