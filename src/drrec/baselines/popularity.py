"""Popularity baselines: one score per item, the same for all users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from drrec.base import Recommender
from drrec.data.interactions import LIKED_ABOVE
from drrec.errors import shown

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions

Counted = Literal["ratings", "liked", "mean"]


class _OneForAll(Recommender):
    _score: np.ndarray  # [I]

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """The popularity of items, [B, C] or [B, I]; see `Recommender.score`."""
        if candidates is None:
            return np.tile(self._score, (len(users), 1))
        return self._score[candidates]


class Popularity(_OneForAll):
    """Most popular items, by number of ratings, number of likes, or mean rating.

    Args:
        counted: `ratings` counts ratings, `liked` ratings above 3; `mean` is the damped mean
            rating.
        damping: with `mean`, the number of ratings at the global mean added to each item.
        seed: unused; the model is deterministic.

    Examples:
        >>> import drrec, pandas as pd
        >>> log = pd.DataFrame({"user": list("aabbbcc"), "item": list("xyxyzyz")})
        >>> model = drrec.Popularity(counted="ratings").fit(drrec.Dataset.from_pandas(log))
        >>> model.recommend(["a"], k=1)["item"].tolist()
        ['z']
    """

    def __init__(self, counted: Counted = "ratings", damping: float = 5.0, seed: int = 0) -> None:
        if counted not in get_args(Counted):
            raise ValueError(
                f"Expected `counted` to be one of {', '.join(get_args(Counted))}. "
                f"Received: {shown(counted)}."
            )
        if not damping > 0:
            raise ValueError(
                f"Expected `damping` > 0. Received: {damping}. "
                "Without damping an item without ratings has no mean."
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
    """Popularity with exponential time decay.

        score(i) = Σ 2^(−age / (half_life · median age))

    over the ratings of i. Ages are measured from the latest rating of the log, in units of the
    median age, so that the setting does not depend on the time span of the log. A log without
    timestamps is decayed by row order. If the median age is 0, this is plain popularity.

    Args:
        half_life: half-life of a rating, in median ages.
        seed: unused; the model is deterministic.

    Examples:
        >>> import drrec, pandas as pd
        >>> log = pd.DataFrame({"user": list("aabbbcc"), "item": list("xyxyzyz")})
        >>> model = drrec.RecentPopularity().fit(drrec.Dataset.from_pandas(log))
        >>> model.recommend(["a"], filter_seen=False)["item"].tolist()
        ['z', 'y', 'x']
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
    """Check a half-life.

    Raises:
        ValueError: it is zero, negative or NaN.
    """
    if not half_life > 0:
        raise ValueError(
            f"Expected `half_life` > 0. Received: {half_life}. Infinity counts all ratings alike."
        )


def faded(age: np.ndarray, half_life: float) -> np.ndarray:
    """2^(−age / half_life), in [0, 1]; all 1 if `half_life` is 0."""
    if half_life <= 0:
        return np.ones(len(age))
    return np.exp2(-age / half_life)
