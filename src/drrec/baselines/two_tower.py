"""A two-tower model on content: users by what they liked, items by what they are."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Self

import numpy as np

from drrec.baselines.content import ContentBaseline
from drrec.scoring import products

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drrec.data.interactions import Interactions
    from drrec.features.store import Modality


class TwoTower(ContentBaseline):
    """Two-tower model on content features, which can rank cold items.

        score(u, i) = unit(Σ_j unit(x_j Q)) · (unit(x_i W) − c)

    with j over the items that u liked and x the standardised features of all modalities. W and Q
    are learned by contrast (`embeddings.contrast`): half of a user's liked items have to pick the
    other half out of the catalogue. c is the mean over the items of `train`.

    An item without features has the score 0, that of an average item.

    Args:
        features: by modality, for all items of the catalogue; None takes those of the data set.
        seed: of the start, the halves and the dropout.

    Examples:
        >>> import drrec, numpy as np, pandas as pd
        >>> from drrec.features.store import Modality
        >>> log = pd.DataFrame({"user": list("aabbab"), "item": list("vwyzxx")})
        >>> kind = np.array([[0, 0], [2, 0], [1, 0], [1, 1], [0, 2], [0, 1]])
        >>> text = Modality(kind, np.arange(6) > 0, "bert")
        >>> model = drrec.TwoTower({"text": text})
        >>> model.fit(drrec.Dataset.from_pandas(log)).similar_items("v", k=1)["item"].tolist()
        ['w']
    """

    is_random = True

    def __init__(self, features: Mapping[str, Modality] | None = None, seed: int = 0) -> None:
        if features == {}:
            raise ValueError("Expected at least one modality. Received: none.")
        self.features = features
        self.seed = seed

    def _fit(self, train: Interactions) -> None:
        """Learn both towers on `train`."""
        from drrec.embeddings.contrast import fit_contrast  # here: it loads TensorFlow

        modalities = list((self.features or {}).values())
        encoder = fit_contrast(train, modalities, self.seed)
        self._item = encoder.item_vectors(modalities)
        self._history = encoder.history_vectors(modalities).astype(np.float32)
        self._user = encoder.user_vectors(modalities, train)

    def _folded_in(self, log: Interactions, liked: np.ndarray) -> Self:
        other = copy.copy(self)
        total = self._history[liked].sum(axis=0)
        other._user = (total / max(float(np.linalg.norm(total)), 1e-9))[None]
        return other

    def _queries(self, users: np.ndarray, histories: np.ndarray) -> np.ndarray:
        return self._user[users]

    def _answers(self) -> np.ndarray:
        return self._item

    def _item_vectors(self) -> np.ndarray:
        return self._item

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """Products of the towers' vectors, [B, C] or [B, I]; see `Recommender.score`."""
        return products(self._user[users], self._item, candidates)
