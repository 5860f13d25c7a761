"""Three estimates of what a policy earns in a session, with intervals.

All are functions of counts: how often each session is taken. Once each gives the estimate, drawn
with replacement they give its bootstrap distribution, many at a time by matrix products.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.evaluation.statistics import MAX_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.evaluation.offpolicy.log import Features, LoggedSteps

RIDGE = 1e-3
"""Penalty of the regressions, in imagined steps: what no session tells of is worth 0."""

NUM_FOLDS = 2
"""The doubly robust estimate judges a session by a regression on the other folds."""


ESTIMATORS = ("snips", "doubly_robust", "fitted_q")
"""The fields of `OffPolicy` that are estimates."""


class Estimate(NamedTuple):
    """A session's expected total reward, and its interval."""

    value: float
    low: float
    high: float


class OffPolicy(NamedTuple):
    """What is estimated, and how far it can be trusted."""

    snips: Estimate
    doubly_robust: Estimate
    fitted_q: Estimate
    effective_sample: float
    """How many sessions of equal weight would be as good."""
    overlap: float
    """The share of the logged steps that the target policy supports."""
    mean_weight: float
    """Expected to be 1 where the propensities are right."""
    max_weight: float
    """The largest session's share of all weight."""


def estimates(
    evidence: LoggedSteps,
    features: Features,
    *,
    discount: float = 1.0,
    seed: int = 0,
    num_resamples: int = 500,
    confidence: float = 0.95,
) -> OffPolicy:
    """Estimate a target policy's value from the sessions of another.

    Args:
        evidence: the sessions.
        features: what the values of steps are regressed on.
        discount: γ.
        seed: of the resamples and the folds.
        num_resamples: how many times as many units are drawn with replacement as there are.
        confidence: what the percentile intervals cover.

    Raises:
        ValueError: a number is out of range.
    """
    if not (0 <= discount <= 1 and 0 < confidence < 1 and num_resamples >= 1):
        raise ValueError(
            "Expected `discount` in [0, 1], `confidence` in (0, 1) and a resample. Received: "
            f"{discount}, {confidence} and {num_resamples}."
        )
    rng = np.random.default_rng(seed)
    _, unit = np.unique(evidence.unit, return_inverse=True)
    robust = doubly_robust_terms(evidence, features, discount, _folds(unit, rng))

    def of_counts(counts: np.ndarray) -> np.ndarray:
        values = (
            snips(evidence, counts, discount),
            counts @ robust / counts.sum(axis=1),
            fitted_q(evidence, features, counts, discount)[:, 0],
        )
        return np.stack(values, axis=1)  # [B, 3]

    point = of_counts(np.ones((1, len(unit))))[0]
    drawn = _resampled(of_counts, unit, rng, num_resamples)
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    found = [Estimate(*map(float, each)) for each in zip(point, low, high, strict=True)]
    return OffPolicy(
        snips=found[0],
        doubly_robust=found[1],
        fitted_q=found[2],
        effective_sample=evidence.effective_sample,
        overlap=evidence.overlap,
        mean_weight=evidence.mean_weight,
        max_weight=evidence.max_weight,
    )


def snips(evidence: LoggedSteps, counts: np.ndarray, discount: float) -> np.ndarray:
    """Self-normalised inverse propensities, step by step (Swaminathan and Joachims 2015).

    Σ_t γᵗ Σ_n w_nt r_nt / Σ_n w_nt, with w_nt the ratio of probabilities of all that session n
    showed up to step t (weighted per-decision importance sampling, Precup et al. 2000).

    Args:
        evidence: the sessions.
        counts: [B, N] how often each is taken.
        discount: γ.

    Returns:
        [B], NaN where no session has any weight.
    """
    weight = evidence.weight
    reward = np.where(evidence.is_step, evidence.reward, 0.0)
    paid = counts @ (weight * reward * _discounts(evidence, discount))  # [B, T]
    total = counts @ weight
    return np.divide(paid, total, out=np.full(paid.shape, np.nan), where=total > 0).sum(axis=1)


def fitted_q(
    evidence: LoggedSteps, features: Features, counts: np.ndarray, discount: float
) -> np.ndarray:
    """Fitted-Q evaluation with values linear in the features (Le et al. 2019), last step first.

    q_t(s, a) = φ(s, a)ᵀ θ_t is regressed on r_t + γ Σ_a π(a | s′) q_{t+1}(s′, a).

    Args:
        evidence: the sessions.
        features: [N, T, F].
        counts: [B, N] how often each session is taken.
        discount: γ.

    Returns:
        [B, T] the mean value that the target policy has from step t on in the logged states; that
        at t = 0 is the estimate.
    """
    coefficient = fitted_coefficients(evidence, features, counts, discount)  # [B, T, F]
    here = np.where(evidence.is_step[..., None], features.target, 0.0)
    total = counts.sum(axis=1)
    means = np.einsum("bn,ntf->btf", counts, here, optimize=True) / total[:, None, None]
    return np.einsum("btf,btf->bt", means, coefficient)


def fitted_coefficients(
    evidence: LoggedSteps, features: Features, counts: np.ndarray, discount: float
) -> np.ndarray:
    """[B, T, F] the θ_t of `fitted_q`."""
    num_sessions, steps, width = features.logged.shape
    found = np.zeros((len(counts), steps + 1, width))
    for t in reversed(range(steps)):
        now = np.where(evidence.is_step[:, t, None], features.logged[:, t], 0.0)  # [N, F]
        square = counts @ (now[:, :, None] * now[:, None]).reshape(num_sessions, -1)
        right = counts @ (now * evidence.reward[:, t, None])  # [B, F]
        if t + 1 < steps:
            then = np.where(evidence.is_step[:, t + 1, None], features.target[:, t + 1], 0.0)
            moved = counts @ (now[:, :, None] * then[:, None]).reshape(num_sessions, -1)
            moved = moved.reshape(-1, width, width)
            right += discount * np.einsum("bfg,bg->bf", moved, found[:, t + 1])
        left = square.reshape(-1, width, width) + RIDGE * np.eye(width)
        found[:, t] = np.linalg.solve(left, right[:, :, None])[:, :, 0]
    return found[:, :steps]


def doubly_robust_terms(
    evidence: LoggedSteps, features: Features, discount: float, fold: np.ndarray
) -> np.ndarray:
    """Each session's doubly robust value (Jiang and Li 2016), whose mean is the estimate.

    Σ_t γᵗ [w_t (r_t − q_t(s_t, a_t)) + w_{t−1} Σ_a π(a | s_t) q_t(s_t, a)], with q from `fitted_q`
    on the sessions of other folds.

    Args:
        evidence: the sessions.
        features: [N, T, F].
        discount: γ.
        fold: [N] int.

    Returns:
        [N].
    """
    folds = np.unique(fold)
    # A single fold has no others: it is judged by itself.
    counts = (fold != folds[:, None]) if len(folds) > 1 else np.ones((1, len(fold)))
    theta = fitted_coefficients(evidence, features, counts.astype(np.float64), discount)
    own = theta[np.searchsorted(folds, fold)]  # [N, T, F]
    taken = np.einsum("ntf,ntf->nt", features.logged, own)
    expected = np.einsum("ntf,ntf->nt", features.target, own)
    before = np.concatenate([np.ones((len(fold), 1)), evidence.weight[:, :-1]], axis=1)
    terms = evidence.weight * (evidence.reward - taken) + before * expected
    terms = np.where(evidence.is_step, terms, 0.0)
    return (terms * _discounts(evidence, discount)).sum(axis=1)


def _folds(unit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[N] the fold of each session; a unit's are in one."""
    return (rng.permutation(unit.max() + 1) % NUM_FOLDS)[unit]


def _discounts(evidence: LoggedSteps, discount: float) -> np.ndarray:
    return discount ** np.arange(evidence.reward.shape[1])


def _resampled(
    of_counts: Callable[[np.ndarray], np.ndarray],
    unit: np.ndarray,
    rng: np.random.Generator,
    num_resamples: int,
) -> np.ndarray:
    """[resamples, 3] of units drawn with replacement."""
    num_units = unit.max() + 1
    size = max(1, MAX_WEIGHTS // len(unit))
    parts = []
    for start in range(0, num_resamples, size):
        shape = min(size, num_resamples - start)
        drawn = rng.multinomial(num_units, np.full(num_units, 1 / num_units), size=shape)
        parts.append(of_counts(drawn[:, unit].astype(np.float64)))
    return np.concatenate(parts)
