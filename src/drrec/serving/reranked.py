"""A policy that ranks what another method proposes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Self

import numpy as np

from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.types import Recommender


@dataclasses.dataclass(frozen=True, eq=False)
class Reranked:
    """A `Recommender`: the proposed items in the policy's order, all others in the proposer's.

    Scores are for order alone: those of the proposed lie in [2, 3], of the others in [0, 1].
    """

    policy: Recommender
    proposer: Recommender
    proposals: np.ndarray  # [U, K] int32 item ids, 0 = padding
    name: str = ""
    """Of the proposer, in tables."""
    uses_history: bool = True

    def fit(self, train: Interactions) -> Self:
        """Both have learned already."""
        return self

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """[B], [B, L], [B, C] or None -> [B, C] or [B, I] float64."""
        own = self.policy.score(users, histories, candidates)
        others = self.proposer.score(users, histories, candidates)
        is_item = (np.arange(own.shape[1]) if candidates is None else candidates) != PADDING
        is_proposed = self._is_proposed(users, candidates, own.shape[1])
        return np.where(is_proposed, _within_one(own, is_item) + 2, _within_one(others, is_item))

    def _is_proposed(
        self, users: np.ndarray, candidates: np.ndarray | None, num_columns: int
    ) -> np.ndarray:
        """[B, C] or [B, I] bool."""
        proposals = self.proposals[users]  # [B, K]
        width = num_columns if candidates is None else max(candidates.max(), proposals.max()) + 1
        marked = np.zeros((len(users), width), bool)
        np.put_along_axis(marked, proposals, True, axis=1)
        return marked if candidates is None else np.take_along_axis(marked, candidates, axis=1)


def _within_one(scores: np.ndarray, is_item: np.ndarray) -> np.ndarray:
    """[B, C] in any range -> [B, C] float64 in [0, 1], in each row in the same order."""
    scores = np.where(is_item, scores, 0).astype(np.float64)
    low, high = scores.min(axis=1, keepdims=True), scores.max(axis=1, keepdims=True)
    return (scores - low) / np.where(high > low, high - low, 1)
