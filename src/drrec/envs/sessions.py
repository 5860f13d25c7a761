"""Cuts a log of ratings into the sessions that the logged environment plays, one a user."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Self

import numpy as np

from drrec.errors import InputError
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions


MOST_CANDIDATES = 512
"""A user's session hands out the first so many at most, and withholds as many of those known: a
table is as wide as its longest row."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sessions:
    """How each user's session opens, and which logged items it hands out and withholds."""

    playing: np.ndarray  # [V] int32, the users that have at least two items to be shown
    history: np.ndarray  # [U, L] int32 liked item ids, most recent last, 0 = padding
    candidates: np.ndarray  # [U, C] int32 item ids, 0 = padding
    known: np.ndarray  # [U, K] int32 items rated before the session, 0 = padding

    @classmethod
    def over(cls, known: Interactions, shown: Interactions, state_size: int) -> Self:
        """Sessions that open with the last likes of `known` and hand out the items of `shown`.

        Raises:
            InputError: nobody has two items to be shown.
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
        return cls(playing, known.liked_histories(state_size), _by_user(shown), _by_user(recent))


def opening_and_rest(train: Interactions, state_size: int) -> tuple[Interactions, Interactions]:
    """The first L ratings that each user liked, which open DRR's sessions, and all others."""
    liked = train.liked
    before = np.cumsum(liked) - liked  # likes before each row, all users together
    first = before - before[np.minimum(train.offsets[train.user], len(train) - 1)]
    opening = liked & (first < state_size)
    return train.where(opening), train.where(~opening)


def _by_user(ratings: Interactions) -> np.ndarray:
    """[U, C] int32 each user's items in the order of time, 0 = padding."""
    table = np.full((ratings.num_users, ratings.counts().max()), PADDING, np.int32)
    table[ratings.user, _place(ratings)] = ratings.item
    return table


def _place(ratings: Interactions) -> np.ndarray:
    """[R] 0 for each user's first row, 1 for the next."""
    return np.arange(len(ratings)) - ratings.offsets[ratings.user]
