"""Sequential recommenders: next-item prediction from a user's sequence of items."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from drrec.base import Recommender
from drrec.baselines.sequential.config import SequenceConfig
from drrec.baselines.sequential.sequences import Seen, followed_by
from drrec.data.histories import without
from drrec.errors import InputError, shown
from drrec.scoring import in_batches

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions


class Sequential(Recommender):
    """What both sequential recommenders have in common."""

    uses_history = True
    is_random = True
    encoder: ClassVar[str]

    def __init__(self, *, seed: int = 0, **settings: Any) -> None:
        """Set the random seed and the settings of `SequenceConfig`, by name."""
        self.seed = seed
        known = inspect.signature(SequenceConfig).parameters
        if unknown := [name for name in settings if name not in known]:
            raise InputError(
                f"Expected a known setting. Received: {shown(unknown[0])}. "
                f"There are: {', '.join(known)}."
            )
        self.config = SequenceConfig(**settings)

    def settings(self) -> dict[str, Any]:
        """Constructor arguments by name."""
        return {"seed": self.seed} | dataclasses.asdict(self.config)

    def _fit(self, train: Interactions) -> None:
        """Train on the users' sequences of `train`."""
        from drrec.baselines.sequential.training import trained  # loads TensorFlow

        log = train.where(train.liked) if self.config.liked_only else train
        trainer = trained(log, self.encoder, self.config, self.seed)
        self._encoder = trainer.encoder()
        self._is_known = trainer.is_known
        self._table = np.where(self._is_known[:, None], np.array(trainer.model.table), 0)
        self._sequences = log.histories(self.config.length)
        self._seen = Seen.of(train)

    def state(self) -> dict[str, Any]:
        """Fitted attributes by name; the network as a list of weights."""
        found = super().state()
        del found["config"]
        encoder = found.pop("_encoder")
        weights = [np.array(weight) for weight in encoder.model.weights]
        return found | {"weights": weights, "compiled": encoder.compiled}

    def restore(self, state: dict[str, Any]) -> Self:
        """Set fitted attributes, as `state` returns them."""
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

    def _item_vectors(self) -> np.ndarray:
        return self._table

    @in_batches
    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """Next-item scores after the user's sequence in `train` and the new items of the history.

        Items that are not in `train` get the user's lowest score.

        Args:
            users: [B].
            histories: [B, L'].
            candidates: [B, C] or None.

        Returns:
            [B, C] or [B, I]; see `Recommender.score`.
        """
        sequences = self._followed(users, histories)
        score = self._encoder.encode(sequences) @ self._table.T  # [B, I]
        lowest = score[:, self._is_known].min(axis=1, keepdims=True)
        score = np.where(self._is_known, score, lowest)
        if candidates is None:
            return score
        return np.take_along_axis(score, candidates.astype(np.intp), axis=1)


class SASRec(Sequential):
    """Self-attentive sequential recommendation (Kang and McAuley 2018): a causal transformer.

    Args:
        seed: random seed of initialisation, shuffling, dropout and negative sampling.
        settings: those of `drrec.baselines.sequential.config.SequenceConfig`, by name.

    Examples:
        >>> import drrec, pandas as pd
        >>> log = pd.DataFrame({"user": list("aabbb"), "item": list("xyxyz")})
        >>> model = drrec.SASRec(width=4, num_layers=1, most_epochs=1)
        >>> model.fit(drrec.Dataset.from_pandas(log)).recommend(["a"])["item"].tolist()
        ['z']
    """

    encoder = "transformer"


class GRU4Rec(Sequential):
    """Recurrent sequential recommendation (Hidasi et al. 2016): a GRU, trained like `SASRec`.

    Args:
        seed: random seed of initialisation, shuffling, dropout and negative sampling.
        settings: those of `drrec.baselines.sequential.config.SequenceConfig`, by name.

    Examples:
        >>> import drrec
        >>> model = drrec.GRU4Rec(width=32, dropout=0.1)
        >>> model.config.width, model.config.loss
        (32, 'auto')
    """

    encoder = "gru"
