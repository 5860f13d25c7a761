"""What recommenders that read a user's sequence have in common."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Self

import numpy as np

from drrec.base import Recommender
from drrec.baselines.sequential.sequences import Seen, followed_by
from drrec.data.histories import without

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions


class Following(Recommender):
    """Scores what comes after the user's sequence in `train` and what is new in the history."""

    uses_history = True
    is_random = True

    _sequences: np.ndarray  # [U, L] the latest items, left-padded with 0
    _is_known: np.ndarray  # [I] bool, items that are followed; others are passed over
    _seen: Seen

    def _follow(self, log: Interactions, train: Interactions, length: int) -> None:
        """Keep the users' sequences of `log`, some or all rows of `train`."""
        self._sequences = log.histories(length)
        self._seen = Seen.of(train)

    def _folded_in(self, log: Interactions, liked: np.ndarray) -> Self:
        other = copy.copy(self)
        other._sequences = log.where(log.liked).histories(self._sequences.shape[1])
        other._seen = Seen.of(log)
        return other

    def _followed(self, users: np.ndarray, histories: np.ndarray) -> np.ndarray:
        """[B, L] the users' sequences in `train`, then what is new in [B, L'] histories."""
        is_new = ~self._seen.has(users, histories) & self._is_known[histories]
        return followed_by(self._sequences[users], histories, is_new)

    def _leaving_out(
        self, user: int, history: np.ndarray, items: np.ndarray
    ) -> tuple[Recommender, np.ndarray, np.ndarray]:
        sequence = self._followed(np.array([user]), history[None])[0]
        other = copy.copy(self)
        other._sequences = np.stack([without(sequence, item) for item in items])
        nothing = np.zeros((len(items), len(history)), history.dtype)
        return other, np.arange(len(items), dtype=np.int32), nothing
