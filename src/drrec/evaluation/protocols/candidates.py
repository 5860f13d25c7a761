"""What the protocols share: per-user results, batches of users, and scores that can be ranked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.errors import InputError
from drrec.types import PADDING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from drrec.data.interactions import Interactions
    from drrec.types import Recommender

MAX_SCORES = 2**23
"""Scores held at once: users are taken in batches of about this many over the catalogue."""

LIST_LENGTH = 10
"""How many items of each user's ranking are kept, to see what is recommended."""


class PerUser(NamedTuple):
    """Each user's metrics under one protocol, so that methods can be compared user by user."""

    users: np.ndarray  # [U'] int32, dense ids in rising order
    metrics: dict[str, np.ndarray]  # [U'] float64 each, NaN where nothing is relevant
    lists: np.ndarray | None = None  # [U', LIST_LENGTH] int32, best first, 0 = none; None: not kept


def batches(users: np.ndarray, num_items: int) -> Iterator[np.ndarray]:
    """Cut `users [U']` so that [B, I] scores stay within `MAX_SCORES`."""
    size = max(1, MAX_SCORES // num_items)
    for start in range(0, len(users), size):
        yield users[start : start + size]


def collected(
    users: np.ndarray,
    parts: Sequence[dict[str, np.ndarray]],
    lists: Sequence[np.ndarray] | None = None,
) -> PerUser:
    """Join the metrics, and the `lists` [B, K] where there are any, of all batches.

    Raises:
        InputError: no user was left to evaluate.
    """
    if not parts:
        raise InputError(
            "Expected at least one user with enough test items. Received: none. "
            "Take a larger data set, or a split that keeps more for the test."
        )
    metrics = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return PerUser(users, metrics, None if lists is None else np.concatenate(lists))


def top_list(items: np.ndarray, is_ranked: np.ndarray) -> np.ndarray:
    """[B, LIST_LENGTH] int32 the first of `items [B, K]`; 0 for what is not there or not ranked."""
    kept = np.where(is_ranked, items, PADDING)[:, :LIST_LENGTH].astype(np.int32)
    return np.pad(kept, ((0, 0), (0, LIST_LENGTH - kept.shape[1])), constant_values=PADDING)


def catalogue(train: Interactions, users: np.ndarray, *, mask_seen: bool) -> np.ndarray:
    """[B, I] bool: every item, without those that the user has in `train` if `mask_seen`."""
    is_candidate = np.ones((len(users), train.num_items), bool)
    is_candidate[:, PADDING] = False
    if mask_seen:
        counts = train.counts()[users]
        row = np.repeat(np.arange(len(users)), counts)
        first = np.repeat(train.offsets[users] - counts.cumsum() + counts, counts)
        is_candidate[row, train.item[first + np.arange(len(row))]] = False
    return is_candidate


def candidate_scores(
    recommender: Recommender,
    users: np.ndarray,
    histories: np.ndarray,
    candidates: np.ndarray | None,
    is_candidate: np.ndarray,
) -> np.ndarray:
    """Ask for scores; what is not to be ranked gets −inf.

    Args:
        recommender: whom to ask.
        users: [B] int32.
        histories: [B, L] int32, most recent last.
        candidates: [B, C] int32, or None for the whole catalogue (then C = I).
        is_candidate: [B, C] bool, what may be ranked.

    Returns:
        [B, C] float.

    Raises:
        InputError: the shape is wrong, or a candidate's score is NaN or infinite. Sorting would
            quietly put a NaN first or last.
    """
    scores = np.asarray(recommender.score(users, histories, candidates))
    name = type(recommender).__name__
    if scores.shape != is_candidate.shape:
        raise InputError(
            f"Expected scores of shape {is_candidate.shape} from {name}. "
            f"Received: {scores.shape}. Return one score for each candidate."
        )
    if not np.isfinite(scores[is_candidate]).all():
        raise InputError(
            f"Expected finite scores from {name}. Received: NaN or infinity. "
            "Its training may have diverged: lower the learning rate and train again."
        )
    return np.where(is_candidate, scores, -np.inf)
