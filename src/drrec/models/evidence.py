"""What ratings say of each item's vector while the users' stay as they are.

Given the users, a factorisation's squared error is a quadratic in each item's vector,
c·A c − 2 b·c, whatever the number of ratings: so an encoder of content is trained on the very loss
of the factorisation, exactly, without passing over the ratings again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse

from drrec.models.implicit import UNOBSERVED_WEIGHT
from drrec.models.variational import NOISE_PRECISION

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions

_IMPLICIT_PRECISION = 10.0  # chosen on validation; a weighted loss has no noise of its own
_EM_STEPS = 30


class Evidence(NamedTuple):
    """The quadratic loss of every item; zero for an item that nobody rated."""

    information: np.ndarray  # [I, D, D] float64, A
    target: np.ndarray  # [I, D] float64, b

    def where(self, items: np.ndarray) -> Evidence:
        """Of these items only."""
        return Evidence(self.information[items], self.target[items])


def explicit_evidence(ratings: Interactions, user: np.ndarray, mean: float) -> Evidence:
    """Of rating ≈ mean + u·c, in units of the rating's noise."""
    by_item = _by_item(ratings, ratings.rating - mean)
    observed = _by_item(ratings, np.ones(len(ratings)))
    return Evidence(
        NOISE_PRECISION * _outer_sums(observed, user), NOISE_PRECISION * (by_item @ user)
    )


def implicit_evidence(ratings: Interactions, user: np.ndarray, mean: float) -> Evidence:
    """Of 1 for an interaction and 0 else, as `fit_implicit` weighs them."""
    observed = _by_item(ratings, np.ones(len(ratings)))
    is_known = np.diff(observed.indptr) > 0
    everywhere = UNOBSERVED_WEIGHT * user.T.astype(np.float64) @ user
    there = (1 - UNOBSERVED_WEIGHT) * _outer_sums(observed, user)
    information = there + is_known[:, None, None] * everywhere
    return Evidence(_IMPLICIT_PRECISION * information, _IMPLICIT_PRECISION * (observed @ user))


def posterior(evidence: Evidence, prior_mean: np.ndarray) -> np.ndarray:
    """[I, D] the vectors that `evidence` and a Gaussian prior around `prior_mean [I, D]` make.

    The prior's covariance is the one that makes the rated items likeliest (expectation
    maximisation): where content tells much, an item without ratings is close to it.
    """
    dim = prior_mean.shape[1]
    is_rated = np.asarray(evidence.target.any(axis=1))
    rated, mean = evidence.where(is_rated), prior_mean[is_rated].astype(np.float64)
    precision, vectors = np.eye(dim), mean
    for _ in range(_EM_STEPS):
        covariance = np.linalg.inv(rated.information + precision)
        vectors = np.einsum("nij,nj->ni", covariance, rated.target + mean @ precision)
        residual = vectors - mean
        spread = residual.T @ residual / len(mean) + covariance.mean(axis=0)
        precision = np.linalg.inv(spread + 1e-6 * np.eye(dim))
    result = prior_mean.astype(np.float64)
    result[is_rated] = vectors
    return result.astype(np.float32)


def _by_item(ratings: Interactions, values: np.ndarray) -> scipy.sparse.csr_matrix:
    shape = (ratings.num_items, ratings.num_users)
    return scipy.sparse.csr_matrix((values, (ratings.item, ratings.user)), shape, np.float64)


def _outer_sums(observed: scipy.sparse.csr_matrix, user: np.ndarray) -> np.ndarray:
    dim = user.shape[1]
    outer = (user[:, :, None].astype(np.float64) * user[:, None, :]).reshape(len(user), -1)
    return (observed @ outer).reshape(-1, dim, dim)
