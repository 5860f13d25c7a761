"""The K items that a saved run would show a user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.agents.policy import Policy
from drrec.errors import InputError
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.agents.config import AgentConfig
    from drrec.serving.export import Export


def restored_policy(export: Export, config: AgentConfig) -> Policy:
    """The policy of an export."""
    policy = Policy.build(config, export.user_vectors, export.item_vectors, export.history.shape[1])
    policy.set_weights(export.weights)
    return policy


def recommend(export: Export, policy: Policy, raw_user: str, top_k: int) -> dict[str, Any]:
    """Rank the catalogue, or what is proposed to the user, less what the user has rated.

    Returns:
        `{"user", "liked": [{"item", "title"}], "items": [{"item", "title", "score"}]}`, `liked`
        being the history, most recent first; at most K items, fewer if fewer are unseen.

    Raises:
        InputError: the user is unknown, or K < 1.
    """
    if top_k < 1:
        raise InputError(f"`top_k` must be at least 1. Received: {top_k}.")
    user = np.array([export.user(raw_user)])
    history = export.history[user]  # [1, L]
    scores = policy.score(user, history)[0]  # [I]
    scores[export.seen(user[0])] = -np.inf
    scores[PADDING] = -np.inf
    if export.reranks:
        scores[~np.isin(np.arange(len(scores)), export.proposals[user])] = -np.inf
    best = np.argsort(-scores, kind="stable")[:top_k]

    def named(item: int) -> dict[str, Any]:
        return {"item": str(export.items[item]), "title": str(export.titles[item])}

    return {
        "user": raw_user,
        "liked": [named(item) for item in history[0][::-1] if item != PADDING],
        "items": [
            named(item) | {"score": float(scores[item])}
            for item in best
            if np.isfinite(scores[item])
        ],
    }


def as_text(found: dict[str, Any]) -> str:
    """What `recommend` returned, for people."""
    liked = [f"  {each['title'] or each['item']}" for each in found["liked"]]
    items = [
        f"  {place:>3}. {each['score']:+.3f}  {each['title'] or each['item']} ({each['item']})"
        for place, each in enumerate(found["items"], 1)
    ]
    lines = [f"User {found['user']} liked, most recent first:", *(liked or ["  nothing yet"])]
    return "\n".join([*lines, "Recommended, with scores:", *items])
