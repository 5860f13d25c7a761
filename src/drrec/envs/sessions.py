"""Cuts a log of ratings into the sessions that the logged environment plays."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from drrec.data.interactions import LIKED_ABOVE
from drrec.errors import InputError
from drrec.models.embedding import time_blocks
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions


@dataclasses.dataclass(frozen=True, eq=False)
class Sessions:
    """V sessions: who plays, what is liked already, and which logged items are left to show."""

    user_row: np.ndarray  # [V] int32, row of `Embeddings.user_rows`
    history: np.ndarray  # [V, L] int32 item ids, most recent last, 0 = padding
    candidates: np.ndarray  # [V, C] int32 item ids, 0 = padding


def first_liked_sessions(train: Interactions, state_size: int) -> Sessions:
    """One session a user, as in DRR: the first L liked items open it, the rest are to be shown.

    The user vectors have seen every rating that is handed out.
    """
    history = np.full((train.num_users, state_size), PADDING, np.int32)
    opens = np.zeros(len(train), bool)
    liked = np.flatnonzero(train.rating > LIKED_ABOVE)
    before = np.arange(len(liked)) - np.searchsorted(train.user[liked], train.user[liked])
    first = before < state_size
    opens[liked[first]] = True
    count = np.bincount(train.user[opens], minlength=train.num_users)
    column = state_size - count[train.user[opens]] + before[first]
    history[train.user[opens], column] = train.item[opens]
    rows = np.arange(train.num_users, dtype=np.int32)
    return _with_candidates(rows, history, train.user[~opens], train.item[~opens])


def held_out_sessions(train: Interactions, num_folds: int, state_size: int) -> Sessions:
    """K sessions a user: each hands out one block of time that its user vector has not seen.

    The history that opens a session is what the user liked last before the block, and after it
    where nothing came before.
    """
    block = time_blocks(train, num_folds)
    user_rows, histories = [], []
    for fold in range(num_folds):
        before = train.where(block < fold).liked_histories(state_size)
        after = train.where(block > fold).liked_histories(state_size)
        nothing = (before == PADDING).all(1, keepdims=True)
        histories.append(np.where(nothing, after, before))
        user_rows.append(np.arange(train.num_users) * (1 + num_folds) + 1 + fold)
    session = train.user * num_folds + block
    return _with_candidates(
        np.stack(user_rows, 1).ravel().astype(np.int32),
        np.stack(histories, 1).reshape(-1, state_size),
        session,
        train.item,
    )


def _with_candidates(
    user_row: np.ndarray, history: np.ndarray, session: np.ndarray, item: np.ndarray
) -> Sessions:
    """`session [R]` is ascending and says which session each logged `item [R]` is shown in."""
    count = np.bincount(session, minlength=len(user_row))
    if not (count >= 2).any():
        raise InputError(
            "Expected a user with at least two ratings left to show. Received: none. "
            "Lower `--state-size` or `--folds`, or use a longer log."
        )
    start = np.searchsorted(session, np.arange(len(user_row)))
    candidates = np.full((len(user_row), count.max()), PADDING, np.int32)
    candidates[session, np.arange(len(session)) - start[session]] = item
    playable = count >= 2
    return Sessions(user_row[playable], history[playable], candidates[playable])
