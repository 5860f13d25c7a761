"""What the protocols share: per-user results, batches of users, and scores that can be ranked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.errors import InputError
from drrec.types import PADDING

if TYPE_CHECKING:
    from collections.abc import Sequence


LIST_LENGTH = 10
"""How many items of each user's ranking are kept, to see what is recommended."""


class PerUser(NamedTuple):
    """Each user's metrics under one protocol, so that methods can be compared user by user."""

    users: np.ndarray  # [U'] int32, dense ids in rising order
    metrics: dict[str, np.ndarray]  # [U'] float64 each, NaN where nothing is relevant
    lists: np.ndarray | None = None  # [U', LIST_LENGTH] int32, best first, 0 = none; None: not kept


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
            "Pass a lower --min-items, a larger --test-share, or another --split."
        )
    metrics = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return PerUser(users, metrics, None if lists is None else np.concatenate(lists))


def top_list(items: np.ndarray, is_ranked: np.ndarray) -> np.ndarray:
    """[B, LIST_LENGTH] int32 the first of `items [B, K]`; 0 for what is not there or not ranked."""
    kept = np.where(is_ranked, items, PADDING)[:, :LIST_LENGTH].astype(np.int32)
    return np.pad(kept, ((0, 0), (0, LIST_LENGTH - kept.shape[1])), constant_values=PADDING)
