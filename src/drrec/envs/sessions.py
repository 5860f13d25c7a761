"""Sessions of the logged environment, one per user, from a rating log."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Self

import numpy as np

from drrec.data.histories import opening
from drrec.errors import InputError
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions


MOST_CANDIDATES = 512
"""Maximum number of items that a session may show, and of earlier items that it excludes."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sessions:
    """Initial history, available items and excluded items of each user's session."""

    playing: np.ndarray  # [V] int32, the users with at least two available items
    history: np.ndarray  # [U, L] of either form, see `data.histories`
    candidates: np.ndarray  # [U, C] int32 item ids, 0 = padding
    known: np.ndarray  # [U, K] int32 items rated before the session, 0 = padding

    @classmethod
    def over(
        cls,
        known: Interactions,
        shown: Interactions,
        state_size: int,
        *,
        with_rewards: bool = False,
    ) -> Self:
        """Sessions that open with the histories of `known` and show the items of `shown`.

        Raises:
            InputError: no user has two items to be shown.
        """
        shown = shown.where(_place(shown) < MOST_CANDIDATES)
        counts = shown.counts()
        playing = np.flatnonzero(counts >= 2).astype(np.int32)
        if not len(playing):
            raise InputError(
                "Expected a user with at least two ratings to be shown. Received: none. "
                "Raise `--held-out`, lower `--state-size`, or use a longer log."
            )
        recent = known.where(known.position_from_end() < MOST_CANDIDATES)
        history = opening(known, state_size, with_rewards=with_rewards)
        return cls(playing, history, _by_user(shown), _by_user(recent))


def opening_and_rest(train: Interactions, state_size: int) -> tuple[Interactions, Interactions]:
    """Each user's first L liked ratings, the initial history in DRR, and all others."""
    liked = train.liked
    before = np.cumsum(liked) - liked  # likes before each row, all users together
    first = before - before[np.minimum(train.offsets[train.user], len(train) - 1)]
    opening = liked & (first < state_size)
    return train.where(opening), train.where(~opening)


def _by_user(ratings: Interactions) -> np.ndarray:
    """[U, C] int32 each user's items, oldest first, 0 = padding."""
    table = np.full((ratings.num_users, ratings.counts().max()), PADDING, np.int32)
    table[ratings.user, _place(ratings)] = ratings.item
    return table


def _place(ratings: Interactions) -> np.ndarray:
    """[R] 0 for each user's first row, 1 for the next."""
    return np.arange(len(ratings)) - ratings.offsets[ratings.user]
