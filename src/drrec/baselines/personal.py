"""Personal popularity: a user's own items first, a strong baseline for repeat consumption."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Self

import numpy as np
import scipy.sparse as sp

from drrec.base import Recommender
from drrec.baselines.popularity import check_half_life, faded
from drrec.scoring import in_batches

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions


class PersonalPopularity(Recommender):
    """The user's own items by frequency and recency, then all others by popularity.

        own(u, i) = Σ 2^(−age / (half_life · median age))

    over the rows of u and i. Items that the user has interacted with rank above all others: by
    `own`, ties by number of users. All others rank by number of users. Ages are measured from the
    user's latest row, in units of the median age of all rows.

    In a log without repeated (user, item) rows, own items rank by recency; where seen items are
    filtered, this is plain popularity.

    Args:
        half_life: half-life of a row, in median ages; infinity counts rows.
        seed: unused; the model is deterministic.

    Examples:
        >>> import drrec, pandas as pd
        >>> log = pd.DataFrame({"user": list("aaabb"), "item": list("xxyyz")})
        >>> data = drrec.Dataset.from_pandas(log, repeats="keep")
        >>> model = drrec.PersonalPopularity(half_life=float("inf")).fit(data)
        >>> model.recommend(["a"], filter_seen=False)["item"].tolist()
        ['x', 'y', 'z']
    """

    def __init__(self, half_life: float = 1.0, seed: int = 0) -> None:
        check_half_life(half_life)
        self.half_life = half_life
        self.seed = seed

    def _fit(self, train: Interactions) -> None:
        """Count each user's rows of each item by their age, and each item's users."""
        audience = np.bincount(
            np.unique(_pairs(train)) % train.num_items, minlength=train.num_items
        )
        self._audience = audience  # [I]
        self._rest = audience / (audience.max() + 1)  # [I] in [0, 1)
        self._own = self._own_of(train)

    def _own_of(self, train: Interactions) -> sp.csr_array:
        """[U, I] each user's places of their own items."""
        shape = (train.num_users, train.num_items)
        if not len(train):
            return sp.csr_array(shape)
        last = train.timestamp[train.offsets[train.user + 1] - 1]
        age = last - train.timestamp  # [R] seconds
        weight = faded(age, self.half_life * float(np.median(age)))
        own = sp.coo_array((weight, (train.user, train.item)), shape)
        own.sum_duplicates()
        user, item = own.coords
        place = _places(user, own.data, self._audience[item], train.num_users)
        return sp.csr_array((place, (user, item)), shape)

    def _folded_in(self, log: Interactions, liked: np.ndarray) -> Self:
        other = copy.copy(self)
        other._own = self._own_of(log.where(log.liked))
        return other

    @in_batches
    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """In [1, 2] for own items and [0, 1) for others, [B, C] or [B, I]."""
        own = self._own[users].toarray()  # [B, I]
        score = np.where(own > 0, own, self._rest)
        if candidates is not None:
            score = np.take_along_axis(score, candidates.astype(np.intp), axis=1)
        return score.astype(np.float32)


def _pairs(log: Interactions) -> np.ndarray:
    return log.user.astype(np.int64) * log.num_items + log.item


def _places(
    user: np.ndarray, weight: np.ndarray, audience: np.ndarray, num_users: int
) -> np.ndarray:
    """[P] 1 + place / places of the user's, best at 2; pairs alike in both share a place.

    Places and not weights, for weights of long ago are so small that they would look equal.
    """
    order = np.lexsort((audience, weight, user))
    columns = np.stack([user, weight, audience])[:, order]
    is_new = np.ones(len(order), bool)
    is_new[1:] = (columns[:, 1:] != columns[:, :-1]).any(axis=0)
    first = np.searchsorted(columns[0], np.arange(num_users))
    place = np.empty(len(order), np.int64)
    so_far = is_new.cumsum()
    place[order] = so_far - so_far[np.minimum(first, len(order) - 1)][user[order]] + 1
    most = np.zeros(num_users, np.int64)
    np.maximum.at(most, user, place)
    return 1 + place / most[user]
