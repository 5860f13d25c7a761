"""One score per item, the same for everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from drrec.base import Recommender
from drrec.data.interactions import LIKED_ABOVE

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions

Counted = Literal["ratings", "liked", "mean"]


class _OneForAll(Recommender):
    _score: np.ndarray  # [I]

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """The item's own score, [B, C] or [B, I]; see `Recommender.score`."""
        if candidates is None:
            return np.tile(self._score, (len(users), 1))
        return self._score[candidates]


class Popularity(_OneForAll):
    """How often an item was rated, how often it was liked, or how well it was rated.

    Args:
        counted: `ratings` counts ratings, `liked` those above 3, and `mean` is the mean rating,
            drawn towards the mean of all ratings where an item has few.
        damping: with `mean`, the number of ratings that the overall mean is worth.
        seed: not used, nothing is random.
    """

    def __init__(self, counted: Counted = "ratings", damping: float = 5.0, seed: int = 0) -> None:
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
        self.seed = seed

    def _fit(self, train: Interactions) -> None:
        """Count, or average, the ratings of each item."""
        kept = train.rating > LIKED_ABOVE if self.counted == "liked" else slice(None)
        count = np.bincount(train.item[kept], minlength=train.num_items)  # [I]
        score = count.astype(np.float64)
        if self.counted == "mean":
            overall = train.rating.mean(dtype=np.float64)
            total = np.bincount(train.item, train.rating, minlength=train.num_items)
            score = (total + self.damping * overall) / (count + self.damping)
        self._score = score.astype(np.float32)


class RecentPopularity(_OneForAll):
    """How often an item was rated, late ratings counting for more.

        score(i) = Σ 2^(−age / (half_life · typical age))

    over the ratings of i. Ages run back from the last moment of the log, and the typical one is the
    median: so days, years and single stray dates are all met by one setting. A log without time
    stamps has the numbers of its rows in their place, and the order of the rows counts. Where all
    ratings are of one moment, or the median is, this is plain popularity.

    Args:
        half_life: after how many typical ages a rating counts by half.
        seed: not used, nothing is random.
    """

    def __init__(self, half_life: float = 0.2, seed: int = 0) -> None:
        check_half_life(half_life)
        self.half_life = half_life
        self.seed = seed

    def _fit(self, train: Interactions) -> None:
        """Count the ratings of each item by their age."""
        age = train.timestamp.max() - train.timestamp  # [R] seconds
        weight = faded(age, self.half_life * float(np.median(age)))
        self._score = np.bincount(train.item, weight, train.num_items).astype(np.float32)


def check_half_life(half_life: float) -> None:
    """Refuse what is not positive.

    Raises:
        ValueError: it is zero, negative or no number.
    """
    if not half_life > 0:
        raise ValueError(
            f"Expected `half_life` > 0. Received: {half_life}. Infinity counts all ratings alike."
        )


def faded(age: np.ndarray, half_life: float) -> np.ndarray:
    """2^(−age / half_life), in [0, 1]; all 1 where there is no half-life to measure by."""
    if half_life <= 0:
        return np.ones(len(age))
    return np.exp2(-age / half_life)
