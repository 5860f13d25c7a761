"""Variational Bayesian matrix factorisation: coordinate ascent in closed form.

Lim and Teh, *Variational Bayesian approach to movie rating prediction* (KDD Cup workshop 2007),
with the full-covariance Gaussian priors of Salakhutdinov and Mnih's BPMF (ICML 2008) fitted by
empirical Bayes. The priors' means play the part of biases. Averaging over the posterior is what
keeps it from fitting noise: no early stop and no penalty to tune.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse

from drrec.embeddings.table import Embeddings

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions

NOISE_PRECISION = 1.2
"""1 / variance of a rating around its expectation."""

_ROWS_AT_ONCE = 2048


@dataclasses.dataclass(frozen=True)
class _Factors:
    """Gaussian posteriors of n vectors, and the prior that they share."""

    mean: np.ndarray  # [n, D]
    second_moment: np.ndarray  # [n, D * D], E[x xᵀ]
    prior_mean: np.ndarray  # [D]
    prior_precision: np.ndarray  # [D, D]


def fit_variational(
    train: Interactions,
    *,
    dim: int,
    start: Embeddings | None = None,
    num_sweeps: int = 40,
    noise_precision: float = NOISE_PRECISION,
    seed: int = 0,
) -> Embeddings:
    """Fit item and user vectors on `train`.

    Args:
        train: the ratings to learn from.
        dim: D.
        start: what to go on from, so that the axes keep their meaning; None starts anew.
        num_sweeps: passes of coordinate ascent.
        noise_precision: 1 / variance of a rating around its expectation.
        seed: of a start anew.

    Returns:
        Embeddings with row 0 of `item` zero.
    """
    rng = np.random.default_rng(seed)
    mean = float(train.rating.mean(dtype=np.float64))
    by_user = _residuals(train, mean)
    by_item = by_user.T.tocsr()
    items = _start(start.item if start else rng.normal(0, 0.3, (train.num_items, dim)))
    users = _start(start.user if start else rng.normal(0, 0.3, (train.num_users, dim)))
    has_item = np.diff(by_item.indptr) > 0
    has_user = np.diff(by_user.indptr) > 0
    for _ in range(num_sweeps):
        users = _with_prior(_posterior(by_user, items, users, noise_precision), has_user)
        items = _with_prior(_posterior(by_item, users, items, noise_precision), has_item)

    item = items.mean.astype(np.float32)
    item[0] = 0
    return Embeddings(item, users.mean.astype(np.float32), mean, train.fingerprint)


def _residuals(ratings: Interactions, mean: float) -> scipy.sparse.csr_matrix:
    values = ratings.rating.astype(np.float64) - mean
    # An explicit zero is a rating too: csr_matrix keeps it, and `indptr` counts it.
    shape = (ratings.num_users, ratings.num_items)
    return scipy.sparse.csr_matrix((values, (ratings.user, ratings.item)), shape)


def _start(mean: np.ndarray) -> _Factors:
    dim = mean.shape[1]
    mean = mean.astype(np.float64)
    second = mean[:, :, None] * mean[:, None, :] + 0.1 * np.eye(dim)
    return _Factors(mean, second.reshape(len(mean), -1), np.zeros(dim), np.eye(dim) * dim**0.5)


def _posterior(
    ratings: scipy.sparse.csr_matrix, others: _Factors, prior: _Factors, noise_precision: float
) -> _Factors:
    """q(x) of every row, given the other side's moments: one D by D solve a row."""
    dim = others.mean.shape[1]
    observed = ratings.copy()
    observed.data = np.ones_like(observed.data)
    information = noise_precision * (ratings @ others.mean)  # [n, D]
    information += prior.prior_precision @ prior.prior_mean
    means, seconds = [], []
    for start in range(0, ratings.shape[0], _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        precision = (observed[rows] @ others.second_moment).reshape(-1, dim, dim)
        covariance = np.linalg.inv(prior.prior_precision + noise_precision * precision)
        mean = np.einsum("nij,nj->ni", covariance, information[rows])
        means.append(mean)
        seconds.append((covariance + mean[:, :, None] * mean[:, None, :]).reshape(len(mean), -1))
    return dataclasses.replace(
        prior, mean=np.concatenate(means), second_moment=np.concatenate(seconds)
    )


def _with_prior(factors: _Factors, rated: np.ndarray) -> _Factors:
    """Empirical Bayes: the prior that the rated rows' posteriors make likeliest."""
    dim = factors.mean.shape[1]
    mean = factors.mean[rated].mean(0)
    second = factors.second_moment[rated].mean(0).reshape(dim, dim)
    covariance = second - np.outer(mean, mean) + 1e-6 * np.eye(dim)
    return dataclasses.replace(factors, prior_mean=mean, prior_precision=np.linalg.inv(covariance))
