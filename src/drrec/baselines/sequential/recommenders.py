"""Recommenders that read what a user took up in its order."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from drrec.base import Recommender
from drrec.baselines.sequential.config import SequenceConfig
from drrec.baselines.sequential.sequences import Seen, followed_by
from drrec.errors import InputError

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions


class _Sequential(Recommender):
    uses_history = True
    is_random = True
    encoder: ClassVar[str]

    def __init__(self, *, seed: int = 0, **settings: Any) -> None:
        """`seed` of start and order, and the settings of `SequenceConfig` by name."""
        self.seed = seed
        known = [field.name for field in dataclasses.fields(SequenceConfig)]
        if unknown := [name for name in settings if name not in known]:
            raise InputError(
                f"Expected a known setting. Received: {unknown[0]!r}. "
                f"There are: {', '.join(known)}."
            )
        self.config = SequenceConfig(**settings)

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"seed": self.seed} | dataclasses.asdict(self.config)

    def _fit(self, train: Interactions) -> None:
        """Learn what comes next in the users' sequences of `train`."""
        from drrec.baselines.sequential.training import trained  # loads TensorFlow

        log = train.where(train.liked) if self.config.liked_only else train
        trainer = trained(log, self.encoder, self.config, self.seed)
        self._encoder = trainer.encoder()
        self._is_known = trainer.is_known
        self._table = np.where(self._is_known[:, None], np.array(trainer.model.table), 0)
        self._sequences = log.histories(self.config.length)
        self._seen = Seen.of(train)

    def state(self) -> dict[str, Any]:
        """What was learned, the network by its weights."""
        found = super().state()
        del found["config"]
        encoder = found.pop("_encoder")
        weights = [np.array(weight) for weight in encoder.model.weights]
        return found | {"weights": weights, "compiled": encoder.compiled}

    def restore(self, state: dict[str, Any]) -> Self:
        """Take what `state` gave."""
        from drrec.baselines.sequential.training import SequenceEncoder  # loads TensorFlow

        weights, compiled = state.pop("weights"), state.pop("compiled")
        super().restore(state)
        size = len(self._table)
        self._encoder = SequenceEncoder.of(size, self.encoder, self.config, weights, compiled)
        return self

    def _folded_in(self, log: Interactions, liked: np.ndarray) -> Self:
        other = copy.copy(self)
        other._sequences = log.where(log.liked).histories(self.config.length)
        other._seen = Seen.of(log)
        return other

    def _item_vectors(self) -> np.ndarray:
        return self._table

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
        score = self._encoder.encode(sequences) @ self._table.T  # [B, I]
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
