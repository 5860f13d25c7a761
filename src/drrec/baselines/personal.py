"""What the user themself comes back to: the baseline that wins wherever consumption repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
import scipy.sparse as sp

from drrec.baselines.popularity import check_half_life, faded

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions


class PersonalPopularity:
    """The user's own items by how often and how lately they were taken, then all others by count.

        own(u, i) = Σ 2^(−age / (half_life · typical age))

    over the rows of u and i. Every item with a row of the user's stands above every item without:
    own items by `own`, equal ones and the rest by how many users took them. Ages run back from the
    user's own last row, which moves no order, and the typical one is the median of all rows.

    A log that keeps one row for each user and item has no repeats to count: own items then stand
    by how late they were, and where seen items are left out what remains is popularity.

    Args:
        half_life: after how many typical ages a row counts by half; infinity counts rows.
    """

    uses_history = False

    def __init__(self, half_life: float = 1.0) -> None:
        check_half_life(half_life)
        self.half_life = half_life

    def fit(self, train: Interactions) -> Self:
        """Count each user's rows of each item by their age, and each item's users."""
        last = train.timestamp[train.offsets[train.user + 1] - 1]
        age = last - train.timestamp  # [R] seconds
        weight = faded(age, self.half_life * float(np.median(age)))
        shape = (train.num_users, train.num_items)
        own = sp.coo_array((weight, (train.user, train.item)), shape)
        own.sum_duplicates()
        user, item = own.coords
        audience = np.bincount(item, minlength=train.num_items)  # [I]
        place = _places(user, own.data, audience[item], train.num_users)
        self._own = sp.csr_array((place, (user, item)), shape)
        self._rest = audience / (audience.max() + 1)  # [I] in [0, 1)
        return self

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """In [1, 2] for own items and [0, 1) for others, [B, C] or [B, I]."""
        own = self._own[users].toarray()  # [B, I]
        score = np.where(own > 0, own, self._rest)
        if candidates is not None:
            score = np.take_along_axis(score, candidates.astype(np.intp), axis=1)
        return score.astype(np.float32)


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
