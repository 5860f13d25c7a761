"""How a trained agent answers: by its policy, beside a baseline or over what one proposes."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from drrec.agents.blending import Blend
from drrec.agents.proposing import proposals_of
from drrec.agents.reranked import is_proposed, reranked_scores
from drrec.base import Recommender

if TYPE_CHECKING:
    from drrec.agents.settings import Settings
    from drrec.data.interactions import Interactions
    from drrec.embeddings.table import Levels
    from drrec.known import Known
    from drrec.types import Scorer


class ActingRecommender(Recommender):
    """The half of an agent that answers, without TensorFlow."""

    uses_history = True
    is_random = True
    setup: Settings
    _policy: Any  # a `Policy`, or one that is computed without TensorFlow
    _levels: Levels
    _proposer: Any
    _proposals: Any
    _blend: Blend | None

    def alone(self) -> Self:
        """The same agent without the baseline that its scores are blended with."""
        other = copy.copy(self)
        other._blend = None
        return other

    def with_items(self, known: Known, block: np.ndarray) -> Self:
        """The same agent with the vectors `block [n, D]` of items that `known` has beside."""
        other = copy.copy(self)
        item = np.concatenate([self._policy.item, block])
        other._policy = dataclasses.replace(self._policy, item=item)
        other._known = known
        return other

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
        """Dot products i·a with the actor's action a; see `Recommender.score`.

        With `blend` they are added to the baseline's, see `blending.Blend`; with `propose` they
        rank what is proposed.
        """
        if self._proposer is None:
            return self._ranker.score(users, histories, candidates)
        return reranked_scores(
            self._ranker, self._proposer, self._proposals, users, histories, candidates
        )

    @property
    def _ranker(self) -> Scorer:
        """What scores: the policy, blended or alone."""
        return self._blend or self._policy

    def _restore_rest(self, state: dict[str, Any]) -> None:
        """Set what stands around the policy, which is set, from what `Agent.state` returned."""
        self._levels, self._known = state["levels"], state["known"]
        self._proposals, self._proposer = state["proposals"], state["proposer"]
        self._blend = None
        if state.get("base") is not None:  # a model of an earlier version has none
            own, base = state["scales"]
            weight = self.setup.agent.blend_weight
            self._blend = Blend(self._policy, state["base"], weight, own, base)

    def _scored(self, users: np.ndarray, histories: np.ndarray) -> np.ndarray:
        scores = self._ranker.score(users, histories)
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
        if self._blend:
            base, weight = self._blend.base._folded_in(log, liked), self._blend.weight
            other._blend = Blend.of(other._policy, base, weight, log, self.history_length)
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
        return None if self._proposer or self._blend else self._policy.item
