"""Who may have shown what a log without propensities holds: popularity, as likely as can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from drrec.evaluation.offpolicy.policies import softmax

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions

MAX_INVERSE_TEMPERATURE = 8.0
"""The largest 1 / temperature that is tried; at 1 an item comes in proportion to its count."""


class PopularityPolicy:
    """Draws unseen items by their count in `train`, to the power of 1 / temperature.

    That is the softmax of log(1 + count) / temperature.

    Args:
        temperature: None fits it: the one under which each user's ratings in `train`, in their
            order, each among the items that the user had not rated before, are likeliest.
    """

    def __init__(self, temperature: float | None = None) -> None:
        self._given = temperature
        self.temperature = temperature or 1.0

    def fit(self, train: Interactions) -> Self:
        """Count, and fit the temperature unless it was given."""
        count = np.bincount(train.item, minlength=train.num_items)
        self._logit = np.log1p(count.astype(np.float64))  # [I]
        if self._given is None:
            self.temperature = 1 / max(likeliest_inverse_temperature(train, self._logit), 1e-6)
        return self

    def probabilities(
        self, users: np.ndarray, histories: np.ndarray, is_candidate: np.ndarray
    ) -> np.ndarray:
        """See `policies.StochasticPolicy`."""
        return softmax(np.tile(self._logit / self.temperature, (len(users), 1)), is_candidate)


def likeliest_inverse_temperature(log: Interactions, logit: np.ndarray) -> float:
    """Maximum-likelihood θ in [0, `MAX_INVERSE_TEMPERATURE`] of softmax(θ · `logit [I]`).

    Each row is drawn among the items that its user had not rated before. The likelihood is concave
    in θ, so the search finds its top.
    """
    from scipy.optimize import minimize_scalar  # takes long to import

    found = minimize_scalar(
        lambda theta: -log_likelihood(log, logit, theta),
        bounds=(0.0, MAX_INVERSE_TEMPERATURE),
        method="bounded",
    )
    return float(found.x)


def log_likelihood(log: Interactions, logit: np.ndarray, inverse_temperature: float) -> float:
    """Σ over rows of θ x_i − log Σ_{j not rated before} exp(θ x_j), x being `logit [I]`."""
    shifted = inverse_temperature * (logit - logit[1:].max())
    weight = np.exp(shifted)
    taken = weight[log.item]  # [R]
    before = np.cumsum(taken) - taken
    before = before - before[np.minimum(log.offsets[log.user], len(log) - 1)]
    # What is left holds the row's own item, also where the subtraction has lost it.
    left = np.maximum(weight[1:].sum() - before, taken)
    return float((shifted[log.item] - np.log(left)).sum())
