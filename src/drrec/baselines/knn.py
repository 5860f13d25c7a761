"""Nearest neighbours of sets: who took what, whatever the ratings.

Ranking a whole catalogue is guessing what a user will take up next, which predicted ratings tell
little of.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np

from drrec.base import Recommender
from drrec.baselines.neighbours import Neighbourhood, taken

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions


class _BySets(Recommender):
    """The sum over neighbours of the cosines of two sets."""

    by: ClassVar[Literal["item", "user"]]

    def __init__(self, num_neighbours: int, shrinkage: float, seed: int) -> None:
        if num_neighbours < 1 or shrinkage < 0:
            raise ValueError(
                "Expected `num_neighbours` >= 1 and `shrinkage` >= 0. "
                f"Received: {num_neighbours} and {shrinkage}."
            )
        self.num_neighbours = num_neighbours
        self.shrinkage = shrinkage
        self.seed = seed

    def _fit(self, train: Interactions) -> None:
        """Find the nearest neighbours."""
        self._taken = taken(train)
        self._own = self._taken
        self._near = Neighbourhood.of(self.by, self._taken, self.num_neighbours, self.shrinkage)

    def _folded_in(self, log: Interactions, liked: np.ndarray) -> Self:
        other = copy.copy(self)
        other._own = taken(log.where(log.liked))
        other._near = self._near.folded_in(
            other._own, self._taken, self.num_neighbours, self.shrinkage
        )
        return other

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """Summed similarities, [B, C] or [B, I]; see `Recommender.score`."""
        nearness = self._near.summed(self._own, self._taken, users)  # [B, I]
        if candidates is not None:
            nearness = np.take_along_axis(nearness, candidates.astype(np.intp), axis=1)
        return nearness.astype(np.float32)


class ItemKNN(_BySets):
    """How near an item is to all that the user took, by who took either.

    After Deshpande and Karypis (2004).

    Args:
        num_neighbours: similar items kept for each item.
        shrinkage: how many common users a similarity needs to count by half.
        seed: not used, nothing is random.
    """

    by = "item"

    def __init__(self, num_neighbours: int = 100, shrinkage: float = 0.0, seed: int = 0) -> None:
        super().__init__(num_neighbours, shrinkage, seed)


class UserKNN(_BySets):
    """How many of the users most like this one took an item, by what either took.

    After Sarwar et al. (2000).

    Args:
        num_neighbours: similar users kept for each user.
        shrinkage: how many common items a similarity needs to count by half.
        seed: not used, nothing is random.
    """

    by = "user"

    def __init__(self, num_neighbours: int = 20, shrinkage: float = 10.0, seed: int = 0) -> None:
        super().__init__(num_neighbours, shrinkage, seed)
