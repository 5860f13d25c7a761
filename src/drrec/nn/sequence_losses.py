"""What a model of the next item is trained on: over the whole catalogue, or against a sample."""

from __future__ import annotations

from typing import Any

from keras import ops


def cross_entropy(own: Any, score: Any) -> Any:
    """−log softmax over the catalogue.

    Args:
        own: [N] the targets' scores.
        score: [N, I] all items', −inf for what is none.

    Returns:
        [N].

    Raises:
        ValueError: a rank is wrong.
    """
    _check(own, 1, "own")
    _check(score, 2, "score")
    return ops.logsumexp(score, axis=1) - own


def sampled_softmax(own: Any, other: Any, log_expected: Any) -> Any:
    """Cross-entropy with Σ exp(score) over the others estimated from a sample.

    Each sampled score counts by 1 / (how often the item is expected in the sample), the log-Q
    correction of Bengio and Senécal (2008); the target, which is always there, needs none. A
    sample of each other item once, expected once, makes it `cross_entropy`.

    Args:
        own: [N] the targets' scores.
        other: [N, M] the sample's, −inf where it is the target.
        log_expected: [M] log of how often the item is expected in such a sample.

    Returns:
        [N].

    Raises:
        ValueError: a rank is wrong.
    """
    _check(own, 1, "own")
    _check(other, 2, "other")
    _check(log_expected, 1, "log_expected")
    every = ops.concatenate([ops.expand_dims(own, 1), other - log_expected], axis=1)
    return ops.logsumexp(every, axis=1) - own


def gbce(own: Any, other: Any, num_items: int, calibration: float) -> Any:
    """Generalised binary cross-entropy (Petrov and Macdonald 2023, equations 8 to 11).

        −(β log σ(own) + Σ log(1 − σ(other))) / (M + 1),  β = α (t (1 − 1/α) + 1/α)

    with α = M / (number of items − 1): a few negatives make a model sure of too much, which β < 1
    undoes (t = 1) or not (t = 0).

    Args:
        own: [N] the targets' scores.
        other: [N, M] those of a uniform sample, −inf where it is the target.
        num_items: items that are sampled from.
        calibration: t in [0, 1].

    Returns:
        [N].

    Raises:
        ValueError: a rank is wrong.
    """
    _check(own, 1, "own")
    _check(other, 2, "other")
    num_other = other.shape[1]
    alpha = min(num_other / max(num_items - 1, 1), 1.0)
    beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
    return (beta * ops.softplus(-own) + ops.sum(ops.softplus(other), axis=1)) / (num_other + 1)


def _check(value: Any, rank: int, name: str) -> None:
    if len(value.shape) != rank:
        raise ValueError(f"Expected `{name}` of rank {rank}. Received: shape {tuple(value.shape)}.")
