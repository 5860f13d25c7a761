"""Content-based nearest neighbours: item similarities from content features."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.optimize
import scipy.sparse as sp

from drrec.base import Recommender
from drrec.baselines.neighbours import MAX_SIMILARITIES, biases, largest
from drrec.errors import InputError
from drrec.scoring import in_batches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drrec.data.dataset import Dataset
    from drrec.data.interactions import Interactions
    from drrec.features.store import Modality

MAX_PAIRED = 2000
"""Number of items, those with the most ratings, whose pairs weigh the modalities."""

_BIAS_DAMPING = 5.0


class ContentBaseline(Recommender):
    """What all baselines that need content features have in common."""

    features: Mapping[str, Modality] | None

    def fit(self, train: Dataset | Interactions) -> Self:
        """Fit on `train` and the features of its items.

        Raises:
            InputError: there are no features.
        """
        if self.features is None:
            self.features = getattr(train, "features", None)
        if not self.features:
            raise InputError(
                "Expected a data set with content features. Received: none. Add them by "
                "drrec.with_features(data, path), or extract some: drrec extract."
            )
        return super().fit(train)

    def settings(self) -> dict[str, Any]:
        """Constructor arguments without the features, which a fitted model does not need."""
        return super().settings() | {"features": None}


class ContentKNN(ContentBaseline):
    """Item-based nearest neighbours on content features, which can rank cold items.

        score(u, i) = Σ_j s_ij^p (1 + c (r_uj − μ − b_u)) / (Σ_j s_ij^p)^e

    with j over those of the `num_neighbours` nearest neighbours of i in `train` that u rated; the
    sum of the denominator is over all neighbours. s is the cosine of weighted features: those of
    each modality are centred on the items of `train` and scaled to length 1. The weights are a
    non-negative least-squares fit of collaborative similarities in `train` by the cosines of each
    modality (after Cella et al. 2017, who weigh single features).

    An item without features gets the user's mean score over the items of `train`.

    Args:
        features: by modality, for all items of the catalogue; None takes those of the data set.
        num_neighbours: neighbours kept for each item.
        power: p, exponent of the similarities.
        opinion: c, weight of the user-centred rating; 0 is implicit feedback.
        evenness: e, exponent of the denominator; 0 is a sum, 1 a weighted mean.
        seed: unused; the model is deterministic.

    Examples:
        >>> import drrec, numpy as np, pandas as pd
        >>> from drrec.features.store import Modality
        >>> log = pd.DataFrame({"user": list("aab"), "item": list("xyz")})
        >>> vectors = np.array([[0, 0], [1, 0], [0, 1], [1, 0.1]])
        >>> text = Modality(vectors, np.array([False, True, True, True]), "bert")
        >>> model = drrec.ContentKNN({"text": text}).fit(drrec.Dataset.from_pandas(log))
        >>> model.similar_items("x", k=1)["item"].tolist()
        ['z']
    """

    def __init__(
        self,
        features: Mapping[str, Modality] | None = None,
        num_neighbours: int = 100,
        power: float = 2.0,
        opinion: float = 0.5,
        evenness: float = 0.5,
        seed: int = 0,
    ) -> None:
        if features == {} or num_neighbours < 1 or power <= 0 or not 0 <= evenness <= 1:
            raise ValueError(
                "Expected at least one modality, `num_neighbours` >= 1, `power` > 0 and "
                f"`evenness` in [0, 1]. Received: {list(features or {})}, {num_neighbours}, "
                f"{power} and {evenness}."
            )
        self.features = features
        self.num_neighbours = num_neighbours
        self.power = power
        self.opinion = opinion
        self.evenness = evenness
        self.seed = seed

    def _folded_in(self, log: Interactions, liked: np.ndarray) -> Self:
        other = copy.copy(self)
        other._taken = self._taken_by(log)
        return other

    def _fit(self, train: Interactions) -> None:
        """Weigh the modalities, then find each item's nearest neighbours in `train`."""
        count = np.bincount(train.item, minlength=train.num_items)
        directions = [_directions(each, count > 0) for each in (self.features or {}).values()]
        weight = _weights(train, directions, count)
        self.weights = dict(zip(self.features or {}, weight.tolist(), strict=True))
        # The cosine of concatenated modalities, the absent ones being zero.
        joint = np.concatenate(
            [np.sqrt(w) * each for w, each in zip(weight, directions, strict=True)], axis=1
        )
        joint = _unit(joint)  # [I, Σ dim]
        self._is_absent = ~joint.any(axis=1)
        self._is_told = ~self._is_absent & (count > 0)
        self._nearness = self._neighbours(joint, count > 0)
        self._taken = self._taken_by(train)

    def _taken_by(self, log: Interactions) -> sp.csr_array:
        """[U, I] the weight of each rating."""
        level = biases(log, _BIAS_DAMPING)[0] if len(log) else np.zeros(log.num_users)
        taken = 1 + self.opinion * (log.rating - level[log.user])  # [R]
        shape = (log.num_users, log.num_items)
        return sp.csr_array((taken, (log.user, log.item)), shape)

    def _shares(self, user: int, items: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        own = self._taken[[user]]
        near = self._nearness[own.indices][:, items].toarray()  # [n, K]
        return own.indices, own.data[:, None] * near, ~np.asarray(self._is_absent)[items]

    @in_batches
    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """Weighted similarities to the user's items, [B, C] or [B, I]; see `Recommender.score`."""
        score = (self._taken[users] @ self._nearness).toarray()  # [B, I]
        if self._is_told.any():
            neutral = score[:, self._is_told].mean(axis=1, keepdims=True)
            score = np.where(self._is_absent, neutral, score)
        if candidates is not None:
            score = np.take_along_axis(score, candidates.astype(np.intp), axis=1)
        return score.astype(np.float32)

    def _neighbours(self, joint: np.ndarray, is_known: np.ndarray) -> sp.csr_array:
        """[I, I], column i holds the neighbours of i."""
        size = max(1, MAX_SIMILARITIES // len(joint))
        blocks = []
        for start in range(0, len(joint), size):
            block = np.arange(start, min(start + size, len(joint)))
            cosine = np.where(is_known[:, None], joint @ joint[block].T, 0)  # [I, block]
            cosine[block, np.arange(len(block))] = 0
            near = largest(cosine, self.num_neighbours)
            near.data **= self.power
            total = near.sum(axis=0)
            divisor = np.where(total > 0, total, 1) ** self.evenness
            blocks.append(near @ sp.diags_array(1 / divisor))
        return sp.csr_array(sp.hstack(blocks))


def _directions(modality: Modality, is_known: np.ndarray) -> np.ndarray:
    """[I, dim] features centred on the items of `train`, scaled to length 1; 0 if absent."""
    present = modality.present & (np.arange(len(is_known)) > 0)
    if not (present & is_known).any():
        return np.zeros(modality.features.shape)
    centred = modality.features - modality.features[present & is_known].mean(
        axis=0, dtype=np.float64
    )
    return _unit(np.where(present[:, None], centred, 0))


def _weights(train: Interactions, directions: list[np.ndarray], count: np.ndarray) -> np.ndarray:
    """[M], sum 1: least-squares weights of the modalities' cosines for collaborative ones."""
    paired = np.argsort(-count, kind="stable")[: min(MAX_PAIRED, (count > 0).sum())]
    pair = np.triu_indices(len(paired), 1)
    ones = np.ones(len(train))
    rated = sp.csc_array((ones, (train.user, train.item)), (train.num_users, train.num_items))
    audience = rated[:, paired]
    norm = np.sqrt(count[paired])
    common = (audience.T @ audience).toarray() / norm[:, None] / norm  # [P, P]
    columns = [(each[paired] @ each[paired].T)[pair] for each in directions]
    constant = np.ones(len(pair[0]))
    weight, _ = scipy.optimize.nnls(np.stack([*columns, constant], axis=1), common[pair])
    total = weight[:-1].sum()
    if total <= 0:
        return np.full(len(directions), 1 / len(directions))
    return weight[:-1] / total


def _unit(rows: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norm, out=np.zeros_like(rows, dtype=np.float64), where=norm > 1e-9)
