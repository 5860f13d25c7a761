"""Nearest neighbours of sets: who took what, whatever the ratings.

Ranking a whole catalogue is guessing what a user will take up next, which predicted ratings tell
little of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np

from drrec.baselines.neighbours import Neighbourhood, taken

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions


class _BySets:
    """The sum over neighbours of the cosines of two sets."""

    uses_history = False
    by: ClassVar[Literal["item", "user"]]

    def __init__(self, num_neighbours: int, shrinkage: float) -> None:
        if num_neighbours < 1 or shrinkage < 0:
            raise ValueError(
                "Expected `num_neighbours` >= 1 and `shrinkage` >= 0. "
                f"Received: {num_neighbours} and {shrinkage}."
            )
        self.num_neighbours = num_neighbours
        self.shrinkage = shrinkage

    def fit(self, train: Interactions) -> Self:
        """Find the nearest neighbours."""
        self._taken = taken(train)
        self._near = Neighbourhood.of(self.by, self._taken, self.num_neighbours, self.shrinkage)
        return self

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """Summed similarities, [B, C] or [B, I]; see `Recommender.score`."""
        nearness = self._near.summed(self._taken, users)  # [B, I]
        if candidates is not None:
            nearness = np.take_along_axis(nearness, candidates.astype(np.intp), axis=1)
        return nearness.astype(np.float32)


class ItemKNN(_BySets):
    """How near an item is to all that the user took, by who took either.

    After Deshpande and Karypis (2004).

    Args:
        num_neighbours: similar items kept for each item.
        shrinkage: how many common users a similarity needs to count by half.
    """

    by = "item"

    def __init__(self, num_neighbours: int = 100, shrinkage: float = 0.0) -> None:
        super().__init__(num_neighbours, shrinkage)


class UserKNN(_BySets):
    """How many of the users most like this one took an item, by what either took.

    After Sarwar et al. (2000).

    Args:
        num_neighbours: similar users kept for each user.
        shrinkage: how many common items a similarity needs to count by half.
    """

    by = "user"

    def __init__(self, num_neighbours: int = 20, shrinkage: float = 10.0) -> None:
        super().__init__(num_neighbours, shrinkage)
