"""Scores of an agent added to those of baselines: a weighted hybrid (Burke 2002)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from drrec.data.histories import liked_of
from drrec.scoring import batches, catalogue, openings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drrec.data.interactions import Interactions
    from drrec.types import Scorer


@dataclasses.dataclass(frozen=True)
class Blend:
    """A `Scorer`: (1 − Σ w_j) own(u, i) / σ_own(u) + Σ w_j base_j(u, i) / σ_j(u).

    σ(u) is the standard deviation of a user's scores over the catalogue, at the end of the log. A
    method whose scores are all alike for a user says nothing of the order, and counts for nothing.
    """

    policy: Scorer
    bases: tuple[Any, ...]  # J fitted `Recommender`s
    weights: tuple[float, ...]  # J
    own_scale: np.ndarray  # [U] float32, 1 / σ_own
    base_scales: tuple[np.ndarray, ...]  # J of [U] float32, 1 / σ_j
    uses_history: bool = True

    @classmethod
    def of(
        cls,
        policy: Scorer,
        bases: Sequence[Any],
        weights: Sequence[float],
        log: Interactions,
        state_size: int,
    ) -> Self:
        """Measure the scores of a policy and of baselines, all fitted on `log`.

        Args:
            policy: the agent's own.
            bases: J baselines.
            weights: J weights of theirs; the policy's is what is left of 1.
            log: what users have seen, and their histories.
            state_size: L, length of the histories.
        """
        own_scale, *base_scales = (_scale(each, log, state_size) for each in (policy, *bases))
        return cls(policy, tuple(bases), tuple(weights), own_scale, tuple(base_scales))

    def weighing(self, *weights: float) -> Self:
        """The same, with other weights."""
        return dataclasses.replace(self, weights=weights)

    def folded_in(
        self, policy: Scorer, log: Interactions, liked: np.ndarray, state_size: int
    ) -> Self:
        """The same for the one new user of `log`, as `policy` is."""
        bases = [base._folded_in(log, liked) for base in self.bases]
        return self.of(policy, bases, self.weights, log, state_size)

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
        total = (1 - sum(self.weights)) * self.own_scale[users, None] * own
        liked = liked_of(histories)
        for base, weight, scale in zip(self.bases, self.weights, self.base_scales, strict=True):
            total = total + weight * scale[users, None] * base.score(users, liked, candidates)
        return total


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
