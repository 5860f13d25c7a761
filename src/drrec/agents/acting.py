"""How a trained agent answers: by its policy, over the catalogue or what a baseline proposes."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from drrec.agents.proposing import proposals_of
from drrec.agents.reranked import is_proposed, reranked_scores
from drrec.base import Recommender

if TYPE_CHECKING:
    from drrec.agents.settings import Settings
    from drrec.data.interactions import Interactions
    from drrec.embeddings.table import Levels


class ActingRecommender(Recommender):
    """The half of an agent that answers, without TensorFlow."""

    uses_history = True
    is_random = True
    setup: Settings
    _policy: Any  # a `Policy`, or one that is computed without TensorFlow
    _levels: Levels
    _proposer: Any
    _proposals: Any

    @property
    def proposals(self) -> np.ndarray | None:
        """[U, K] the candidates of each user, if the agent re-ranks those of a baseline."""
        return self._proposals

    @property
    def proposer_name(self) -> str:
        """The baseline whose candidates the agent re-ranks; '' if none."""
        return self.setup.environment.proposals.propose

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """Dot products i·a with the actor's action a; see `Recommender.score`."""
        if self._proposer is None:
            return self._policy.score(users, histories, candidates)
        return reranked_scores(
            self._policy, self._proposer, self._proposals, users, histories, candidates
        )

    def _scored(self, users: np.ndarray, histories: np.ndarray) -> np.ndarray:
        scores = self._policy.score(users, histories)
        if self._proposer is None:
            return scores
        chosen = is_proposed(self._proposals[users], None, scores.shape[1])
        return np.where(chosen, scores, -np.inf)

    def _folded_in(self, log: Interactions, liked: np.ndarray) -> Self:
        policy, levels = self._policy, self._levels
        target = np.where(np.isin(log.item, liked), levels.liked, levels.disliked)
        user = policy.prior.folded_in(policy.item[log.item], target, levels.noise_variance)
        other = copy.copy(self)
        other._policy = dataclasses.replace(policy, user=user[None])
        if self._proposer is not None:
            proposer = self._proposer._folded_in(log, liked)
            settings = self.setup.environment.proposals
            other._proposer = proposer
            other._proposals = proposals_of(
                proposer, log, settings.propose_k, self.setup, mask_seen=True
            )
        return other

    def _item_vectors(self) -> np.ndarray:
        return self._policy.item

    def _queries(self, users: np.ndarray, histories: np.ndarray) -> np.ndarray:
        return self._policy.actions(users, histories)

    def _answers(self) -> np.ndarray | None:
        return self._policy.item if self._proposer is None else None
