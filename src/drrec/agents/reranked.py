"""Scores of an agent that ranks what another method proposes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drrec.data.histories import liked_of
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.types import Scorer


def reranked_scores(
    policy: Scorer,
    proposer: Scorer,
    proposals: np.ndarray,
    users: np.ndarray,
    histories: np.ndarray,
    candidates: np.ndarray | None = None,
) -> np.ndarray:
    """The proposed items in the policy's order, above all others in the proposer's.

    Args:
        policy: scores what is proposed.
        proposer: scores the rest.
        proposals: [U, K] int32 item ids, 0 = padding.
        users: [B].
        histories: [B, L].
        candidates: [B, C] or None.

    Returns:
        [B, C] or [B, I] float64, for order alone: in [2, 3] for what is proposed, else in [0, 1].
    """
    own = policy.score(users, histories, candidates)
    others = proposer.score(users, liked_of(histories), candidates)
    is_item = (np.arange(own.shape[1]) if candidates is None else candidates) != PADDING
    chosen = is_proposed(proposals[users], candidates, own.shape[1])
    return np.where(chosen, _within_one(own, is_item) + 2, _within_one(others, is_item))


def is_proposed(
    proposals: np.ndarray, candidates: np.ndarray | None, num_columns: int
) -> np.ndarray:
    """[B, C] or [B, I] bool, of `proposals [B, K]`."""
    width = num_columns if candidates is None else max(candidates.max(), proposals.max()) + 1
    marked = np.zeros((len(proposals), width), bool)
    np.put_along_axis(marked, proposals, True, axis=1)
    return marked if candidates is None else np.take_along_axis(marked, candidates, axis=1)


def _within_one(scores: np.ndarray, is_item: np.ndarray) -> np.ndarray:
    """[B, C] in any range -> [B, C] float64 in [0, 1], in each row in the same order."""
    scores = np.where(is_item, scores, 0).astype(np.float64)
    low, high = scores.min(axis=1, keepdims=True), scores.max(axis=1, keepdims=True)
    return (scores - low) / np.where(high > low, high - low, 1)
