"""Recommenders that read what a user took up in its order."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from drrec.baselines.sequential.config import SequenceConfig
from drrec.baselines.sequential.sequences import Seen, followed_by

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions


class _Sequential:
    uses_history = True
    encoder: ClassVar[str]

    def __init__(self, seed: int = 0, config: SequenceConfig | None = None) -> None:
        """The start's and the order's seed, and the settings; None takes the default ones."""
        self.seed = seed
        self.config = config or SequenceConfig()

    def fit(self, train: Interactions) -> Self:
        """Learn what comes next in the users' sequences of `train`."""
        from drrec.baselines.sequential.training import trained  # loads TensorFlow

        log = train.where(train.liked) if self.config.liked_only else train
        self._trainer = trained(log, self.encoder, self.config, self.seed)
        self._is_known = self._trainer.is_known
        self._table = np.where(self._is_known[:, None], np.array(self._trainer.model.table), 0)
        self._sequences = log.histories(self.config.length)
        self._seen = Seen.of(train)
        return self

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """What comes next after a user's sequence in `train` and what is new in its history.

        Items that `train` has not get each user's lowest score: they are told apart by nothing.

        Args:
            users: [B].
            histories: [B, L'].
            candidates: [B, C] or None.

        Returns:
            [B, C] or [B, I]; see `Recommender.score`.
        """
        is_new = ~self._seen.has(users, histories) & self._is_known[histories]
        sequences = followed_by(self._sequences[users], histories, is_new)
        score = self._trainer.encode(sequences) @ self._table.T  # [B, I]
        lowest = score[:, self._is_known].min(axis=1, keepdims=True)
        score = np.where(self._is_known, score, lowest)
        if candidates is None:
            return score
        return np.take_along_axis(score, candidates.astype(np.intp), axis=1)


class SASRec(_Sequential):
    """Self-attentive sequential recommendation (Kang and McAuley 2018): a causal transformer."""

    encoder = "transformer"


class GRU4Rec(_Sequential):
    """A recurrent network over the sequence (Hidasi et al. 2016), trained as `SASRec` is."""

    encoder = "gru"
