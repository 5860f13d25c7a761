"""Neighbourhood collaborative filtering: ratings predicted from neighbours, around biases."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, ClassVar, Literal, Self, get_args

import numpy as np

from drrec.base import Recommender
from drrec.baselines.neighbours import Neighbourhood, biases, by_pair, taken
from drrec.errors import shown
from drrec.scoring import in_batches

if TYPE_CHECKING:
    import scipy.sparse as sp

    from drrec.data.interactions import Interactions

Similarity = Literal["adjusted", "cosine"]


class _AroundBiases(Recommender):
    """Ratings predicted as biases plus a weighted mean of the neighbours' residuals."""

    rating_offset = 0.0
    by: ClassVar[Literal["item", "user"]]

    def __init__(
        self,
        num_neighbours: int,
        shrinkage: float,
        bias_damping: float,
        smoothing: float,
        seed: int,
    ) -> None:
        if num_neighbours < 1 or min(shrinkage, bias_damping) < 0 or smoothing <= 0:
            raise ValueError(
                "Expected `num_neighbours` >= 1, `shrinkage` and `bias_damping` >= 0, and "
                f"`smoothing` > 0. Received: {num_neighbours}, {shrinkage}, {bias_damping} and "
                f"{smoothing}. Without smoothing there is no prediction without neighbours."
            )
        self.num_neighbours = num_neighbours
        self.shrinkage = shrinkage
        self.bias_damping = bias_damping
        self.smoothing = smoothing
        self.seed = seed

    def _fit(self, train: Interactions) -> None:
        """Fit the biases, then find the nearest neighbours."""
        self._level, self._bias = biases(train, self.bias_damping)
        self._overall = float(train.rating.mean(dtype=np.float64))
        residual = train.rating - self._level[train.user] - self._bias[train.item]  # [R]
        self._residual = by_pair(train, residual)
        self._rated = taken(train)
        self._own, self._own_rated = self._residual, self._rated
        compared = self._compared(train)
        self._near = Neighbourhood.of(self.by, compared, self.num_neighbours, self.shrinkage)

    def _folded_in(self, log: Interactions, liked: np.ndarray) -> Self:
        other = copy.copy(self)
        rest = log.rating - self._overall - self._bias[log.item]
        # As many imagined ratings of the overall level as an item's bias has.
        level = self._overall + rest.sum() / max(len(log) + self.bias_damping, 1)
        other._level = np.array([level])
        other._own = by_pair(log, log.rating - level - self._bias[log.item])
        other._own_rated = taken(log)
        other._near = self._near.folded_in(
            other._own, self._residual, self.num_neighbours, self.shrinkage
        )
        return other

    def _compared(self, train: Interactions) -> sp.csr_array:
        """[U, I] what neighbours are found by."""
        return self._residual

    @in_batches
    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """Predicted ratings, [B, C] or [B, I]; see `Recommender.score`."""
        opinion = self._near.summed(self._own, self._residual, users)  # [B, I]
        weight = self._near.summed(self._own_rated, self._rated, users) + self.smoothing
        predicted = self._level[users][:, None] + self._bias + opinion / weight
        if candidates is not None:
            predicted = np.take_along_axis(predicted, candidates.astype(np.intp), axis=1)
        return predicted.astype(np.float32)


class ItemCF(_AroundBiases):
    """Item-based collaborative filtering (Sarwar et al. 2001) around biases.

        r̂(u, i) = μ + b_u + b_i + Σ_j s_ij (r_uj − μ − b_u − b_j) / (Σ_j s_ij + smoothing)

    with j over those of the `num_neighbours` most similar items of i that u rated. Biases of
    users and items are fitted alternately. Without neighbours the prediction is the biases; a
    user without ratings has b_u = 0.

    Args:
        num_neighbours: neighbours kept for each item.
        shrinkage: number of common users at which a similarity is shrunk by half.
        bias_damping: added to an item's number of ratings, which shrinks its bias towards 0.
        smoothing: constant added to the sum of similarities in the denominator.
        similarity: `adjusted` is the cosine of user-centred ratings, `cosine` of the raw ratings.
        seed: unused; the model is deterministic.

    Examples:
        >>> import drrec, pandas as pd
        >>> rating = [5, 1, 5, 1, 4, 1, 5, 1]
        >>> log = {"user": list("aabbbccc"), "item": list("xyxyzxyz"), "rating": rating}
        >>> model = drrec.ItemCF(num_neighbours=2).fit(drrec.Dataset.from_pandas(pd.DataFrame(log)))
        >>> model.recommend(["a"], k=1)["item"].tolist()
        ['z']
    """

    by = "item"

    def __init__(
        self,
        num_neighbours: int = 40,
        shrinkage: float = 200.0,
        bias_damping: float = 5.0,
        smoothing: float = 0.2,
        similarity: Similarity = "adjusted",
        seed: int = 0,
    ) -> None:
        super().__init__(num_neighbours, shrinkage, bias_damping, smoothing, seed)
        if similarity not in get_args(Similarity):
            raise ValueError(
                f"Expected `similarity` to be one of {', '.join(get_args(Similarity))}. "
                f"Received: {shown(similarity)}."
            )
        self.similarity = similarity

    def _compared(self, train: Interactions) -> sp.csr_array:
        """[U, I] ratings, centred by user if adjusted."""
        is_adjusted = self.similarity == "adjusted"
        return by_pair(train, train.rating - self._level[train.user] * is_adjusted)


class UserCF(_AroundBiases):
    """Mean-centred user-based collaborative filtering (Resnick et al. 1994) around biases.

        r̂(u, i) = μ + b_u + b_i + Σ_v s_uv (r_vi − μ − b_v − b_i) / (Σ_v s_uv + smoothing)

    with v over those of the `num_neighbours` most similar users of u who rated i. The similarity
    of users is the cosine of their ratings less both biases. Without neighbours the prediction is
    the biases; a user without ratings has b_u = 0.

    Args:
        num_neighbours: neighbours kept for each user.
        shrinkage: number of common items at which a similarity is shrunk by half.
        bias_damping: added to an item's number of ratings, which shrinks its bias towards 0.
        smoothing: constant added to the sum of similarities in the denominator.
        seed: unused; the model is deterministic.

    Examples:
        >>> import drrec, pandas as pd
        >>> rating = [5, 1, 5, 1, 4, 1, 5, 1]
        >>> log = {"user": list("aabbbccc"), "item": list("xyxyzxyz"), "rating": rating}
        >>> model = drrec.UserCF(num_neighbours=2).fit(drrec.Dataset.from_pandas(pd.DataFrame(log)))
        >>> model.recommend(["a"], k=1)["item"].tolist()
        ['z']
    """

    by = "user"

    def __init__(
        self,
        num_neighbours: int = 200,
        shrinkage: float = 20.0,
        bias_damping: float = 5.0,
        smoothing: float = 0.3,
        seed: int = 0,
    ) -> None:
        super().__init__(num_neighbours, shrinkage, bias_damping, smoothing, seed)
