"""User-based collaborative filtering: what people of similar taste made of an item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from drrec.baselines.neighbours import biases, by_pair, nearest, taken

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions


class UserCF:
    """Mean-centred user-based collaborative filtering (Resnick et al. 1994) around biases.

        r̂(u, i) = μ + b_u + b_i + Σ_v s_uv (r_vi − μ − b_v − b_i) / (Σ_v s_uv + smoothing)

    with v over those of the `num_neighbours` most similar users of u who rated i. Users are
    compared by the cosine of their ratings less both biases, that is, by where they differ from
    everybody. Without neighbours the prediction falls back to the biases; a user without ratings
    has b_u = 0.

    Args:
        num_neighbours: similar users kept for each user.
        shrinkage: how many common items a similarity needs to count by half.
        bias_damping: imagined ratings of mean value that draw an item's bias towards 0.
        smoothing: similarity of an imagined neighbour without opinion, added to the divisor.
    """

    uses_history = False
    rating_offset = 0.0

    def __init__(
        self,
        num_neighbours: int = 200,
        shrinkage: float = 20.0,
        bias_damping: float = 5.0,
        smoothing: float = 0.3,
    ) -> None:
        if num_neighbours < 1 or min(shrinkage, bias_damping) < 0 or smoothing <= 0:
            raise ValueError(
                "Expected `num_neighbours` >= 1, `shrinkage` and `bias_damping` >= 0, and "
                f"`smoothing` > 0. Received: {num_neighbours}, {shrinkage}, {bias_damping} and "
                f"{smoothing}. Without smoothing a user without neighbours has no prediction."
            )
        self.num_neighbours = num_neighbours
        self.shrinkage = shrinkage
        self.bias_damping = bias_damping
        self.smoothing = smoothing

    def fit(self, train: Interactions) -> Self:
        """Fit the biases, then find each user's nearest neighbours."""
        self._level, self._bias = biases(train, self.bias_damping)
        residual = train.rating - self._level[train.user] - self._bias[train.item]  # [R]
        self._residual = by_pair(train, residual)
        self._rated = taken(train)
        near = nearest(self._residual.T, self.num_neighbours, self.shrinkage)
        self._near = near.T.tocsr()  # [U, U], row u holds the neighbours of u
        return self

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """Predicted ratings, [B, C] or [B, I]; see `Recommender.score`."""
        near = self._near[users]  # [B, U]
        opinion = (near @ self._residual).toarray()  # [B, I]
        weight = (near @ self._rated).toarray() + self.smoothing
        predicted = self._level[users][:, None] + self._bias + opinion / weight
        if candidates is not None:
            predicted = np.take_along_axis(predicted, candidates.astype(np.intp), axis=1)
        return predicted.astype(np.float32)


class UserKNN:
    """How many of the users most like this one took an item, whatever the ratings.

    The sum over the nearest users of the cosines of the two sets of items (Sarwar et al. 2000).
    As `ItemKNN` is to `ItemCF`: it ranks a whole catalogue, which predicted ratings do not.

    Args:
        num_neighbours: similar users kept for each user.
        shrinkage: how many common items a similarity needs to count by half.
    """

    uses_history = False

    def __init__(self, num_neighbours: int = 20, shrinkage: float = 10.0) -> None:
        if num_neighbours < 1 or shrinkage < 0:
            raise ValueError(
                "Expected `num_neighbours` >= 1 and `shrinkage` >= 0. "
                f"Received: {num_neighbours} and {shrinkage}."
            )
        self.num_neighbours = num_neighbours
        self.shrinkage = shrinkage

    def fit(self, train: Interactions) -> Self:
        """Find each user's nearest neighbours."""
        self._taken = taken(train)
        near = nearest(self._taken.T, self.num_neighbours, self.shrinkage)
        self._near = near.T.tocsr()  # [U, U]
        return self

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """Summed similarities, [B, C] or [B, I]; see `Recommender.score`."""
        nearness = (self._near[users] @ self._taken).toarray()  # [B, I]
        if candidates is not None:
            nearness = np.take_along_axis(nearness, candidates.astype(np.intp), axis=1)
        return nearness.astype(np.float32)
