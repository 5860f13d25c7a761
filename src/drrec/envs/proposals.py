"""What sessions may show where another method proposes, and the agent chooses among that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.envs.sessions import Sessions


def with_logged(proposals: np.ndarray, sessions: Sessions, train: Interactions) -> np.ndarray:
    """[U, C] int32 what is proposed, and what the log has in store for the session: injected.

    Training alone sees the logged items injected: whoever is served has no future to inject.

    Args:
        proposals: [U, K] int32 item ids unknown to the user, 0 = padding. Of an item that nobody
            in `train` has, the log cannot say that it would not have pleased: it is left out.
        sessions: whose `candidates` are injected.
        train: every rating that may be learned from.

    Returns:
        Each user's items in rising order, none twice, 0 = padding at the end.
    """
    has_raters = np.bincount(train.item, minlength=train.num_items) > 0
    proposed = np.where(has_raters[proposals], proposals, PADDING)
    both = np.sort(np.concatenate([proposed, sessions.candidates], axis=1), axis=1)
    both[:, 1:][both[:, 1:] == both[:, :-1]] = PADDING
    last = np.iinfo(both.dtype).max
    ordered = np.sort(np.where(both == PADDING, last, both), axis=1)
    ordered = np.where(ordered == last, PADDING, ordered)
    return ordered[:, : max(1, (ordered != PADDING).sum(axis=1).max())].astype(np.int32)
