"""Item-based collaborative filtering: the ratings that a user gave to similar items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self, get_args

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions

MAX_SIMILARITIES = 2**23
"""Similarities held at once while neighbours are sought."""

BIAS_ROUNDS = 5
"""Rounds of fitting user and item biases in turn."""

Similarity = Literal["adjusted", "cosine"]


class ItemCF:
    """Item-based collaborative filtering (Sarwar et al. 2001) around biases.

        r̂(u, i) = μ + b_u + b_i + Σ_j s_ij (r_uj − μ − b_u − b_j) / (Σ_j s_ij + smoothing)

    with j over those of the `num_neighbours` most similar items of i that u rated. The biases are
    fitted in turn, so that a user who only watched good films is not taken for a kind one. Without
    neighbours the prediction falls back to the biases; a user without ratings has b_u = 0.

    Args:
        num_neighbours: similar items kept for each item.
        shrinkage: how many common users a similarity needs to count by half.
        bias_damping: imagined ratings of mean value that draw an item's bias towards 0.
        smoothing: similarity of an imagined neighbour without opinion, added to the divisor.
        similarity: `adjusted` cosines are of user-centred ratings, plain `cosine` of the ratings
            as they are, so that having been rated by the same users is what counts most.
    """

    uses_history = False
    rating_offset = 0.0

    def __init__(
        self,
        num_neighbours: int = 40,
        shrinkage: float = 200.0,
        bias_damping: float = 5.0,
        smoothing: float = 0.2,
        similarity: Similarity = "adjusted",
    ) -> None:
        if num_neighbours < 1 or min(shrinkage, bias_damping) < 0 or smoothing <= 0:
            raise ValueError(
                "Expected `num_neighbours` >= 1, `shrinkage` and `bias_damping` >= 0, and "
                f"`smoothing` > 0. Received: {num_neighbours}, {shrinkage}, {bias_damping} and "
                f"{smoothing}. Without smoothing an item without neighbours has no prediction."
            )
        if similarity not in get_args(Similarity):
            raise ValueError(
                f"Expected `similarity` to be one of {', '.join(get_args(Similarity))}. "
                f"Received: {similarity!r}."
            )
        self.num_neighbours = num_neighbours
        self.shrinkage = shrinkage
        self.bias_damping = bias_damping
        self.smoothing = smoothing
        self.similarity = similarity

    def fit(self, train: Interactions) -> Self:
        """Fit the biases, then find each item's nearest neighbours."""
        self._level, self._bias = biases(train, self.bias_damping)
        centred = train.rating - self._level[train.user]  # [R]
        self._residual = by_pair(train, centred - self._bias[train.item])
        self._rated = taken(train)
        compared = centred if self.similarity == "adjusted" else train.rating
        self._similarity = nearest(
            sp.csc_array(by_pair(train, compared)), self.num_neighbours, self.shrinkage
        )
        return self

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """Predicted ratings, [B, C] or [B, I]; see `Recommender.score`."""
        opinion = (self._residual[users] @ self._similarity).toarray()  # [B, I]
        weight = (self._rated[users] @ self._similarity).toarray() + self.smoothing
        predicted = self._level[users][:, None] + self._bias + opinion / weight
        if candidates is not None:
            predicted = np.take_along_axis(predicted, candidates.astype(np.intp), axis=1)
        return predicted.astype(np.float32)


class ItemKNN:
    """How near an item is to all that the user rated, whatever the ratings.

    The sum of the cosines of the sets of users who rated either (Deshpande and Karypis 2004).
    Ranking a whole catalogue is guessing what the user will take up next, which predicted ratings
    tell little of.

    Args:
        num_neighbours: similar items kept for each item.
        shrinkage: how many common users a similarity needs to count by half.
    """

    uses_history = False

    def __init__(self, num_neighbours: int = 100, shrinkage: float = 0.0) -> None:
        if num_neighbours < 1 or shrinkage < 0:
            raise ValueError(
                "Expected `num_neighbours` >= 1 and `shrinkage` >= 0. "
                f"Received: {num_neighbours} and {shrinkage}."
            )
        self.num_neighbours = num_neighbours
        self.shrinkage = shrinkage

    def fit(self, train: Interactions) -> Self:
        """Find each item's nearest neighbours."""
        self._rated = taken(train)
        self._similarity = nearest(sp.csc_array(self._rated), self.num_neighbours, self.shrinkage)
        return self

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """Summed similarities, [B, C] or [B, I]; see `Recommender.score`."""
        nearness = (self._rated[users] @ self._similarity).toarray()  # [B, I]
        if candidates is not None:
            nearness = np.take_along_axis(nearness, candidates.astype(np.intp), axis=1)
        return nearness.astype(np.float32)


def by_pair(train: Interactions, value: np.ndarray) -> sp.csr_array:
    """[U, I] the mean `value [R]` of each user's rows of each item; a zero stays an entry."""
    pairs = (train.user, train.item)
    shape = (train.num_users, train.num_items)
    total = sp.coo_array((value.astype(np.float64), pairs), shape).tocsr()
    total.data /= sp.coo_array((np.ones(len(train)), pairs), shape).tocsr().data
    return total


def taken(train: Interactions) -> sp.csr_array:
    """[U, I] 1 for each pair with a row, however many it has."""
    return by_pair(train, np.ones(len(train)))


def biases(train: Interactions, damping: float) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares user levels and item biases, by turns.

    Args:
        train: the ratings.
        damping: imagined ratings without bias added to each item.

    Returns:
        [U] the overall mean plus each user's bias, and [I] each item's bias.
    """
    overall = train.rating.mean(dtype=np.float64)
    user_count = np.maximum(train.counts(), 1)
    item_count = np.bincount(train.item, minlength=train.num_items)
    item_bias = np.zeros(train.num_items)
    for _ in range(BIAS_ROUNDS):
        rest = train.rating - overall - item_bias[train.item]  # [R]
        user_bias = np.bincount(train.user, rest, minlength=train.num_users) / user_count
        rest = train.rating - overall - user_bias[train.user]
        total = np.bincount(train.item, rest, minlength=train.num_items)
        item_bias = total / np.maximum(item_count + damping, 1)
    return overall + user_bias, item_bias


def nearest(ratings: sp.csc_array, num_neighbours: int, shrinkage: float) -> sp.csr_array:
    """The shrunk cosine of each item with its nearest others.

    A cosine over n common users is scaled by n / (n + shrinkage).

    Args:
        ratings: [U, I], centred; an explicit zero is a rating too.
        num_neighbours: how many others to keep; only positive similarities are.
        shrinkage: see above.

    Returns:
        [I, I], column i holds the neighbours of i.
    """
    norm = np.sqrt(ratings.power(2).sum(axis=0))
    inverse = np.divide(1, norm, out=np.zeros_like(norm), where=norm > 0)
    unit = sp.csr_array(ratings @ sp.diags_array(inverse))  # [U, I]
    present = ratings.copy()
    present.data = np.ones_like(ratings.data)
    num_items = ratings.shape[1]
    size = max(1, MAX_SIMILARITIES // num_items)
    blocks = []
    for start in range(0, num_items, size):
        block = slice(start, min(start + size, num_items))
        cosine = (unit.T @ unit[:, block]).toarray()  # [I, block]
        common = (present.T @ present[:, block]).toarray()
        similarity = cosine * common / np.maximum(common + shrinkage, 1)
        similarity[np.arange(block.start, block.stop), np.arange(cosine.shape[1])] = 0
        blocks.append(largest(similarity, num_neighbours))
    return sp.csr_array(sp.hstack(blocks))


def largest(similarity: np.ndarray, kept: int) -> sp.csr_array:
    """The positive ones among the `kept` largest values of each column, [I, block] both ways."""
    kept = min(kept, len(similarity))
    rows = np.argpartition(-similarity, kept - 1, axis=0)[:kept]  # [kept, block]
    value = np.maximum(np.take_along_axis(similarity, rows, axis=0), 0)
    columns = np.broadcast_to(np.arange(similarity.shape[1]), rows.shape)
    found = value > 0
    return sp.csr_array((value[found], (rows[found], columns[found])), similarity.shape)
