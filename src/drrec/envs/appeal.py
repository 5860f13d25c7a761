"""Appeal of items to made-up users, predicted for the pairs that are asked for.

A table of users × items is made only of small logs: see `simulator.MAX_APPEALS`.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from drrec.scoring import batches
from drrec.types import PADDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.base import Recommender
    from drrec.data.interactions import Interactions


@dataclasses.dataclass(frozen=True, eq=False)
class Scale:
    """Which scores please how much: `low` by −1, `low + width` by 1, clipped."""

    low: np.ndarray  # [U]
    width: np.ndarray  # [U] > 0

    def of(self, score: np.ndarray, users: np.ndarray) -> np.ndarray:
        """Scores of `users`, of their shape or with items behind -> float32 appeal."""
        low, width = self.low[users], self.width[users]
        if score.ndim > low.ndim:
            low, width = low[:, None], width[:, None]
        return np.clip(2 * (score - low) / width - 1, -1, 1).astype(np.float32)


class PredictedAppeal(abc.ABC):
    """Stands for a table [U, I] float32 in [−1, 1], column 0 of which is 0."""

    scale: Scale

    @abc.abstractmethod
    def score(self, users: np.ndarray, items: np.ndarray | None) -> np.ndarray:
        """[B, I] scores of `users [B]`, or [B] those of `items [B]`."""

    def __getitem__(self, key: np.ndarray | tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """[B, I] the rows of users [B], or [B] the entries of (users [B], items [B])."""
        users, items = key if isinstance(key, tuple) else (key, None)
        appeal = self.scale.of(self.score(users, items), users)
        if items is None:
            appeal[:, PADDING] = 0
            return appeal
        return np.where(items == PADDING, np.float32(0), appeal)


@dataclasses.dataclass(frozen=True, eq=False)
class AppealOfFactors(PredictedAppeal):
    """Of dot products."""

    user: np.ndarray  # [U, D] float32
    item: np.ndarray  # [I, D] float32
    mean: float
    scale: Scale

    def score(self, users: np.ndarray, items: np.ndarray | None) -> np.ndarray:
        """See `PredictedAppeal`."""
        if items is None:
            return self.mean + self.user[users] @ self.item.T
        return self.mean + np.einsum("bd,bd->b", self.user[users], self.item[items])


@dataclasses.dataclass(frozen=True, eq=False)
class AppealOfModel(PredictedAppeal):
    """Of the scores of a recommender without a state."""

    model: Recommender
    scale: Scale

    def score(self, users: np.ndarray, items: np.ndarray | None) -> np.ndarray:
        """See `PredictedAppeal`."""
        histories = np.zeros((len(users), 1), np.int32)
        if items is None:
            return self.model.score(users, histories)
        return self.model.score(users, histories, items[:, None])[:, 0]


def rating_scale(num_users: int) -> Scale:
    """Of predicted ratings: (rating − 3) / 2."""
    return Scale(np.full(num_users, 1.0), np.full(num_users, 4.0))


def score_scale(rows: Callable[[np.ndarray], np.ndarray], log: Interactions) -> Scale:
    """−1 is the user's mean score of items without interaction, 1 that of items with.

    Users to whom this does not apply get the means over all.

    Args:
        rows: from users [B] to the scores of all items [B, I].
        log: who interacted with what.
    """
    own, total = np.zeros(len(log)), np.zeros(log.num_users)
    for users in batches(np.arange(log.num_users), log.num_items):
        score = rows(users).astype(np.float64)
        there = slice(log.offsets[users[0]], log.offsets[users[-1] + 1])
        own[there] = score[log.user[there] - users[0], log.item[there]]
        total[users] = score[:, 1:].sum(axis=1)
    counts = log.counts()
    inside = np.bincount(log.user, own, minlength=log.num_users)
    outside = total - inside
    rest = log.num_items - 1 - counts
    high = np.divide(inside, counts, out=np.zeros(log.num_users), where=counts > 0)
    low = np.divide(outside, rest, out=np.zeros(log.num_users), where=rest > 0)
    is_apart = (counts > 0) & (rest > 0) & (high > low)
    high = np.where(is_apart, high, inside.sum() / counts.sum())
    low = np.where(is_apart, low, outside.sum() / max(1, rest.sum()))
    return Scale(low, np.maximum(high - low, 1e-12))
