"""The Plackett-Luce model: rankings drawn by scores, their probability, and expected rewards."""

from __future__ import annotations

import torch

_LOG_TIMES = (-30.0, 4.0, 400)
"""Least and largest logarithm of the time, and nodes between them."""


def drawn(scores: torch.Tensor, count: int) -> torch.Tensor:
    """[B, C] scores -> [B, count, C] rankings: columns, best first, drawn by Gumbel noise."""
    shape = (len(scores), count, scores.shape[1])
    uniform = torch.rand(shape, device=scores.device).clamp_min(torch.finfo(torch.float32).tiny)
    noise = -torch.log(-torch.log(uniform))
    return (scores.detach()[:, None] + noise).argsort(dim=2, descending=True)


def log_probability(scores: torch.Tensor, rankings: torch.Tensor, length: int) -> torch.Tensor:
    """Log-probability of the first `length` places of rankings: Σ z_k − log Σ_{j ≥ k} exp z_j.

    Args:
        scores: [B, C].
        rankings: [B, G, C] as of `drawn`.
        length: at least 1; more than C is C.

    Returns:
        [B, G]
    """
    ordered = scores[:, None].expand(rankings.shape).gather(2, rankings)
    left = ordered.flip(2).logcumsumexp(dim=2).flip(2)  # of what is still to be placed
    return (ordered - left)[:, :, :length].sum(dim=2)


def rank_of(rankings: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """[B, G] rank from 0 of column `place [B]` in [B, G, C] rankings."""
    return (rankings == place[:, None, None]).int().argmax(dim=2)


def expected_reward(
    scores: torch.Tensor, place: torch.Tensor, rewards: torch.Tensor
) -> torch.Tensor:
    """Expected reward of the rank of one column, in closed form up to one integral.

    Let column j come at a time of an exponential law of rate w_j = exp z_j: the order of the times
    is a Plackett-Luce ranking. Given the time t of the right column, each other one is before it
    with probability 1 − exp(−w_j t), and independently: its rank is Poisson-binomial. What is left
    is an integral over t, by the trapezoidal rule over log t.

    Args:
        scores: [B, C].
        place: [B] the right column.
        rewards: [n] by rank from 0; later ranks earn nothing.

    Returns:
        [B]
    """
    own = scores.gather(1, place[:, None])
    is_other = torch.ones_like(scores, dtype=torch.bool).scatter(1, place[:, None], False)
    relative = (scores - own)[is_other].reshape(len(scores), -1)  # log w_j, where the own is 1
    low, high, nodes = _LOG_TIMES
    log_time = torch.linspace(low, high, nodes, device=scores.device)
    density = torch.exp(log_time - log_time.exp()) * (high - low) / (nodes - 1)  # [T]
    before = -torch.expm1(-torch.exp((relative[:, :, None] + log_time).clamp(max=20.0)))
    counts = [torch.ones_like(before[:, 0])] + [torch.zeros_like(before[:, 0])] * (len(rewards) - 1)
    for column in before.unbind(dim=1):  # [B, T] each
        counts = [
            count * (1 - column) + (counts[number - 1] * column if number else 0)
            for number, count in enumerate(counts)
        ]
    by_rank = torch.stack([(count * density).sum(dim=1) for count in counts], dim=1)  # [B, n]
    return by_rank @ rewards
