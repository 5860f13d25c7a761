"""One score per item, the same for everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self, get_args

import numpy as np

from drrec.data.interactions import LIKED_ABOVE

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions

Counted = Literal["ratings", "liked", "mean"]


class Popularity:
    """How often an item was rated, how often it was liked, or how well it was rated.

    Args:
        counted: `ratings` counts ratings, `liked` those above 3, and `mean` is the mean rating,
            drawn towards the mean of all ratings where an item has few.
        damping: with `mean`, the number of ratings that the overall mean is worth.
    """

    uses_history = False

    def __init__(self, counted: Counted = "ratings", damping: float = 5.0) -> None:
        if counted not in get_args(Counted):
            raise ValueError(
                f"Expected `counted` to be one of {', '.join(get_args(Counted))}. "
                f"Received: {counted!r}."
            )
        if not damping > 0:
            raise ValueError(
                f"Expected `damping` > 0. Received: {damping}. "
                "An item without ratings needs the overall mean to stand on."
            )
        self.counted = counted
        self.damping = damping
        self._score = np.zeros(0, np.float32)  # [I]

    def fit(self, train: Interactions) -> Self:
        """Count, or average, the ratings of each item."""
        kept = train.rating > LIKED_ABOVE if self.counted == "liked" else slice(None)
        count = np.bincount(train.item[kept], minlength=train.num_items)  # [I]
        score = count.astype(np.float64)
        if self.counted == "mean":
            overall = train.rating.mean(dtype=np.float64)
            total = np.bincount(train.item, train.rating, minlength=train.num_items)
            score = (total + self.damping * overall) / (count + self.damping)
        self._score = score.astype(np.float32)
        return self

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """The item's count or mean, [B, C] or [B, I]; see `Recommender.score`."""
        if candidates is None:
            return np.tile(self._score, (len(users), 1))
        return self._score[candidates]
