"""Nearest neighbours on implicit feedback: which users interacted with which items.

To rank a whole catalogue is to predict what a user interacts with next, for which predicted
ratings are a poor guide.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np

from drrec.base import Recommender
from drrec.baselines.neighbours import Neighbourhood, confidences
from drrec.scoring import in_batches

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions


class _BySets(Recommender):
    """Sums of cosine similarities over neighbours."""

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
        self._taken = confidences(train)
        self._own = self._taken
        self._near = Neighbourhood.of(self.by, self._taken, self.num_neighbours, self.shrinkage)

    def _folded_in(self, log: Interactions, liked: np.ndarray) -> Self:
        other = copy.copy(self)
        other._own = confidences(log.where(log.liked))
        other._near = self._near.folded_in(
            other._own, self._taken, self.num_neighbours, self.shrinkage
        )
        return other

    def _shares(self, user: int, item: int) -> tuple[np.ndarray, np.ndarray] | None:
        if self.by == "user":
            return None
        own = self._own[[user]]
        near = self._near.similarity[:, [item]].toarray()[:, 0]  # [I]
        return own.indices, own.data * near[own.indices]

    @in_batches
    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """Summed similarities, [B, C] or [B, I]; see `Recommender.score`."""
        nearness = self._near.summed(self._own, self._taken, users)  # [B, I]
        if candidates is not None:
            nearness = np.take_along_axis(nearness, candidates.astype(np.intp), axis=1)
        return nearness.astype(np.float32)


class ItemKNN(_BySets):
    """Item-based nearest neighbours on implicit feedback (Deshpande and Karypis 2004).

    The score of an item is the sum of its cosine similarities to the user's items.

    Args:
        num_neighbours: neighbours kept for each item.
        shrinkage: number of common users at which a similarity is shrunk by half.
        seed: unused; the model is deterministic.

    Examples:
        >>> import drrec, pandas as pd
        >>> log = pd.DataFrame({"user": list("aabbbcc"), "item": list("xyxyzyz")})
        >>> model = drrec.ItemKNN(num_neighbours=2).fit(drrec.Dataset.from_pandas(log))
        >>> model.recommend(["a"], k=1)["item"].tolist()
        ['z']
    """

    by = "item"

    def __init__(self, num_neighbours: int = 100, shrinkage: float = 0.0, seed: int = 0) -> None:
        super().__init__(num_neighbours, shrinkage, seed)


class UserKNN(_BySets):
    """User-based nearest neighbours on implicit feedback (Sarwar et al. 2000).

    The score of an item is the sum of the cosine similarities of the user's neighbours who
    interacted with it.

    Args:
        num_neighbours: neighbours kept for each user.
        shrinkage: number of common items at which a similarity is shrunk by half.
        seed: unused; the model is deterministic.

    Examples:
        >>> import drrec, pandas as pd
        >>> log = pd.DataFrame({"user": list("aabbbcc"), "item": list("xyxyzyz")})
        >>> model = drrec.UserKNN(num_neighbours=2).fit(drrec.Dataset.from_pandas(log))
        >>> model.recommend(["a"], k=1)["item"].tolist()
        ['z']
    """

    by = "user"

    def __init__(self, num_neighbours: int = 20, shrinkage: float = 10.0, seed: int = 0) -> None:
        super().__init__(num_neighbours, shrinkage, seed)
