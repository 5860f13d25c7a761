"""Random scores, the lower bound of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drrec.base import Recommender

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions


class Random(Recommender):
    """Random recommender: a score is a hash of seed, user and item, so that repeated calls agree.

    Args:
        seed: random seed.

    Examples:
        >>> import drrec, pandas as pd
        >>> log = pd.DataFrame({"user": list("aabbbcc"), "item": list("xyxyzyz")})
        >>> model = drrec.Random(seed=1).fit(drrec.Dataset.from_pandas(log))
        >>> model.recommend(["a"], filter_seen=False)["item"].tolist()
        ['x', 'y', 'z']
    """

    is_random = True

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def _fit(self, train: Interactions) -> None:
        """Store the number of items."""
        self._num_items = train.num_items

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """Uniform in [0, 1), [B, C] or [B, I]; see `Recommender.score`."""
        items = np.arange(self._num_items)[None] if candidates is None else candidates
        user_key = _mixed(users.astype(np.uint64) + _mixed(np.array([self.seed], np.uint64)))
        bits = _mixed(user_key[:, None] + items.astype(np.uint64))  # [B, C]
        # A float32 holds 24 bits exactly; more would round up to 1.
        return (bits >> np.uint64(40)).astype(np.float32) / np.float32(2**24)


def _mixed(value: np.ndarray) -> np.ndarray:
    """SplitMix64's output function (Steele et al. 2014), on uint64 arrays that wrap around."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
