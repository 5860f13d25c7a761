"""Scores of an agent added to those of a baseline: a weighted hybrid (Burke 2002)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from drrec.data.histories import liked_of
from drrec.scoring import batches, catalogue, openings

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.types import Scorer


@dataclasses.dataclass(frozen=True)
class Blend:
    """A `Scorer`: (1 − w) own(u, i) / σ_own(u) + w base(u, i) / σ_base(u).

    σ(u) is the standard deviation of a user's scores over the catalogue, at the end of the log. A
    method whose scores are all alike for a user says nothing of the order, and counts for nothing.
    """

    policy: Scorer
    base: Any  # a fitted `Recommender`
    weight: float
    own_scale: np.ndarray  # [U] float32, 1 / σ_own
    base_scale: np.ndarray  # [U] float32, 1 / σ_base
    uses_history: bool = True

    @classmethod
    def of(
        cls, policy: Scorer, base: Any, weight: float, log: Interactions, state_size: int
    ) -> Self:
        """Measure the scores of a policy and a baseline, both fitted on `log`.

        Args:
            policy: the agent's own.
            base: the baseline.
            weight: w, of the baseline. [0 to 1]
            log: what users have seen, and their histories.
            state_size: L, length of the histories.
        """
        own_scale, base_scale = (_scale(each, log, state_size) for each in (policy, base))
        return cls(policy, base, weight, own_scale, base_scale)

    def weighing(self, weight: float) -> Self:
        """The same, with another weight."""
        return dataclasses.replace(self, weight=weight)

    @property
    def reads_rewards(self) -> bool:
        """Whether histories hold rewards, as the policy reads them."""
        return getattr(self.policy, "reads_rewards", False)

    def fit(self, train: Interactions) -> Self:
        """It is fitted already."""
        return self

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """[B], [B, L], [B, C] or None -> [B, C] or [B, I]."""
        own = self.policy.score(users, histories, candidates)
        base = self.base.score(users, liked_of(histories), candidates)
        own_scale, base_scale = self.own_scale[users, None], self.base_scale[users, None]  # [B, 1]
        return (1 - self.weight) * own_scale * own + self.weight * base_scale * base


def _scale(scorer: Scorer, log: Interactions, state_size: int) -> np.ndarray:
    """[U] float32, one over the standard deviation of each user's scores; 0 if that is 0."""
    histories = openings(scorer, log, state_size)
    deviation = np.zeros(log.num_users, np.float32)
    for batch in batches(np.arange(log.num_users, dtype=np.int32), log.num_items):
        is_candidate = catalogue(log, batch, mask_seen=not log.has_repeats)
        scores = np.asarray(scorer.score(batch, histories[batch]), np.float32)
        is_candidate[~is_candidate.any(axis=1), 1:] = True  # who has seen all
        deviation[batch] = scores.std(axis=1, where=is_candidate)
    return np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 1e-9)
