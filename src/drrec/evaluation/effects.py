"""How large a difference is, user by user, and what is left of p-values when many are looked at."""

from __future__ import annotations

import numpy as np

from drrec.errors import shown


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's (1979) correction for looking at m tests at once.

    The k-th smallest p is multiplied by m − k + 1, and none may be less than one before it: with
    `holm(p) < α` taken for differences, the chance of even one that is none is at most α, however
    the tests depend on each other.

    Args:
        p_values: [m] in [0, 1]; NaN is no test and does not count.

    Returns:
        [m] in [0, 1], at least `p_values`, NaN where that is.

    Raises:
        ValueError: `p_values` is not [m] or out of range.
    """
    p_values = np.asarray(p_values, float)
    tested = np.flatnonzero(~np.isnan(p_values)) if p_values.ndim == 1 else None
    if tested is None or ((p_values[tested] < 0) | (p_values[tested] > 1)).any():
        raise ValueError(
            f"Expected p-values [m] in [0, 1]. Received: {shown(p_values)}. Give one for each test."
        )
    order = tested[np.argsort(p_values[tested], kind="stable")]
    scaled = p_values[order] * np.arange(len(order), 0, -1)
    corrected = np.full(len(p_values), np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return corrected


def cohens_d_z(difference: np.ndarray) -> np.ndarray:
    """Mean of the users' differences, in their standard deviations (n − 1): Cohen's d for pairs.

    .2 is called small, .5 medium and .8 large (Cohen 1988, ch. 2). It says how regular a
    difference is, not how much it is worth.

    Args:
        difference: [U, M], NaN where a user has no value and is left out.

    Returns:
        [M], any number; NaN with fewer than two users, or where all differences are equal.

    Raises:
        ValueError: `difference` is not [U, M].
    """
    mean, count = _mean_of_known(difference)
    squared = np.where(np.isnan(difference), 0, difference - mean) ** 2
    variance = np.divide(squared.sum(axis=0), count - 1, out=np.zeros(len(count)), where=count > 1)
    # What is left of equal differences after rounding is no deviation.
    varies = variance > (1e-12 * np.abs(mean)) ** 2
    return np.divide(mean, np.sqrt(variance), out=np.full(len(count), np.nan), where=varies)


def superiority(difference: np.ndarray) -> np.ndarray:
    """The share of users who are better off, those with no difference counting half.

    The probability of superiority for pairs (Grissom and Kim 2005): .5 says nothing either way.

    Args:
        difference: [U, M], NaN where a user has no value and is left out.

    Returns:
        [M] in [0, 1]; NaN without a user.

    Raises:
        ValueError: `difference` is not [U, M].
    """
    return _mean_of_known((np.sign(difference) + 1) / 2)[0]


def _mean_of_known(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[M] mean of what is not NaN, and of how many."""
    if values.ndim != 2:
        raise ValueError(
            f"Expected differences [U, M]. Received: shape {values.shape}. "
            "Give one row per user and one column per metric."
        )
    count = (~np.isnan(values)).sum(axis=0)
    total = np.where(np.isnan(values), 0, values).sum(axis=0)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0), count
