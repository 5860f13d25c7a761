"""Two judges of a policy: user models of two families, each fitted on its own half of a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drrec.envs.simulator import fitted_factors, kinds, made_up, neighbourhood_appeal

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.envs.simulator import Boredom
    from drrec.worlds.world import Truth

JUDGES = ("factors", "neighbours")
"""Matrix factorisation on one half, neighbourhoods of items on the other."""


def simulators(
    ratings: Interactions,
    *,
    genres: np.ndarray | None = None,
    boredom: Boredom | None = None,
    seed: int = 0,
) -> dict[str, Truth]:
    """Two made-up populations that agree only in what the log says of its users.

    Judges are no learners: they are fitted on all ratings, those of the test included, and no
    policy may see them.

    Args:
        ratings: the whole log, which is divided into two halves at random.
        genres: [I] str, see `envs.simulator.kinds`.
        boredom: None bores nobody.
        seed: of the halves, the factors and the clusters.

    Returns:
        `JUDGES` by name: `factors` is variational matrix factorisation, or an implicit one where
        all ratings are alike, and `neighbours` is `ItemCF`, or `ItemKNN` there.
    """
    first, second = halves(ratings, seed)
    factors, others = fitted_factors(first, seed), fitted_factors(second, seed)
    appeals = (factors.appeal, neighbourhood_appeal(second))
    vectors = (factors.item, others.item)
    return {
        name: made_up(appeal, kinds(item, genres, seed), boredom)
        for name, appeal, item in zip(JUDGES, appeals, vectors, strict=True)
    }


def halves(ratings: Interactions, seed: int) -> tuple[Interactions, Interactions]:
    """Two disjoint halves of the rows, drawn at random."""
    is_first = np.random.default_rng(seed).permutation(len(ratings)) < len(ratings) // 2
    return ratings.where(is_first), ratings.where(~is_first)
