"""Rewards of answers and of rankings, by the position of the right item."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from drrec.llm.catalogue import named_items

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from drrec.llm.config import GRPOConfig


def rank_rewards(config: GRPOConfig, length: int) -> list[float]:
    """[length + 1] reward by the right item's rank from 0; the last of one that is not listed.

    A hit earns `reward_hit`, a place among the first K `reward_ndcg` / log₂(rank + 2).
    """
    gains = [
        config.reward_ndcg / math.log2(rank + 2) if rank < config.reward_k else 0.0
        for rank in range(length)
    ]
    return [gain + config.reward_hit * (rank == 0) for rank, gain in enumerate(gains)] + [0.0]


def answer_reward(
    config: GRPOConfig, answer: str, titles: Sequence[str], candidates: np.ndarray, place: int
) -> float:
    """Reward of a written answer; one that names an unknown item earns nothing.

    Args:
        config: weights.
        answer: what the model wrote; thinking before the answer is allowed.
        titles: [I] by dense id.
        candidates: [C] items that may be named.
        place: of the right one among them.

    Returns:
        The reward of the right item's rank among the distinct items that are named, and
        `reward_format` if all of these are candidates; 0 if one is not, or none is named.
    """
    named = list(dict.fromkeys(named_items(answer, titles, candidates)))
    if not named or 0 in named:
        return 0.0
    gains = rank_rewards(config, len(named))
    right = int(candidates[place])
    rank = named.index(right) if right in named else len(named)
    return gains[rank] + config.reward_format
