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
        """The same agent without the baselines that its scores are blended with."""
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

        With `blend` they are added to baselines', see `blending.Blend`; with `propose` they
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
        earlier = [state["base"]] if state.get("base") is not None else []  # of an earlier version
        if bases := state.get("bases") or earlier:
            own, *scales = state["scales"]
            weights = self.setup.agent.blended.values()
            self._blend = Blend(self._policy, tuple(bases), tuple(weights), own, tuple(scales))

    def _scored(self, users: np.ndarray, histories: np.ndarray) -> np.ndarray:
        scores = self._ranker.score(users, histories)
        if self._proposer is None:
            return scores
        chosen = is_proposed(self._proposals[users], None, scores.shape[1])
        return np.where(chosen, scores, -np.inf)

    def _folded_in(self, log: Interactions, liked: np.ndarray) -> Self:
        policy = self._policy
        user = policy.prior.folded_in(*self._told(log, liked))
        other = copy.copy(self)
        other._policy = dataclasses.replace(policy, user=user[None])
        if self._blend:
            length = self.history_length
            other._blend = self._blend.folded_in(other._policy, log, liked, length)
        if self._proposer is not None:
            proposer = self._proposer._folded_in(log, liked)
            settings = self.setup.environment.proposals
            other._proposer = proposer
            other._proposals = proposals_of(
                proposer, log, settings.propose_k, self.setup, mask_seen=True
            )
        return other

    def _folded_in_without(
        self, log: Interactions, liked: np.ndarray, items: np.ndarray
    ) -> Self | None:
        if self._blend or self._proposer is not None:
            return None
        users = self._policy.prior.folded_in_without(*self._told(log, liked))  # [n', D]
        place = np.argsort(log.item)
        rows = place[np.searchsorted(log.item, items, sorter=place)]
        other = copy.copy(self)
        other._policy = dataclasses.replace(self._policy, user=users[rows])
        return other

    def _told(self, log: Interactions, liked: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """What a newcomer's log says: items [n, D], products [n], and their variance."""
        levels = self._levels
        target = np.where(np.isin(log.item, liked), levels.liked, levels.disliked)
        return self._policy.item[log.item], target, levels.noise_variance

    def _item_vectors(self) -> np.ndarray:
        return self._policy.item

    def _queries(self, users: np.ndarray, histories: np.ndarray) -> np.ndarray:
        return self._policy.actions(users, histories)

    def _answers(self) -> np.ndarray | None:
        return None if self._proposer or self._blend else self._policy.item
