"""Lists that explore, with the chance that each item had to be at its position."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

Candidate = TypeVar("Candidate")

POOL = 100
"""Best items that exploration draws from."""


class Drawn(NamedTuple):
    """A list and its propensities."""

    items: list
    propensities: list[float]
    policy: str


def pool_size(k: int, explore: float) -> int:
    """How many candidates a list of K is made of."""
    return max(POOL, k) if explore else k


def drawn(
    best_first: Sequence[Candidate], k: int, explore: float, generator: random.Random
) -> Drawn:
    """Make a list, position by position.

    With probability `explore` a position takes any of the remaining candidates, each as likely;
    else it takes the best of them.

    Returns:
        The list. A propensity is the chance of the item at its position, given those before it.
    """
    if not explore:
        items = list(best_first[:k])
        return Drawn(items, [1.0] * len(items), "greedy")
    remaining, items, propensities = list(best_first), [], []
    while remaining and len(items) < k:
        place = generator.randrange(len(remaining)) if generator.random() < explore else 0
        chance = explore / len(remaining) + (1 - explore if place == 0 else 0.0)
        items.append(remaining.pop(place))
        propensities.append(chance)
    return Drawn(items, propensities, f"explore:{explore:g}")
