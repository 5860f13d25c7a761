"""Sequential rules: which items come soon after which, counted."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Self

import numpy as np
import scipy.sparse as sp

from drrec.base import Recommender
from drrec.baselines.sequential.sequences import Seen, followed_by
from drrec.errors import InputError
from drrec.scoring import in_batches
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions

_LONGEST = 1_000


class SequentialRules(Recommender):
    """Sequential rules (Ludewig and Jannach, *UMUAI* 2018, section 3.1), from several last items.

        R_ji = Σ 1 / d    over users who took i up d <= `reach` rows after j
        score(u, i) = Σ_n 1 / n · R_(j_n, i) / Σ_k R_(j_n, k)    for n = 1 … `num_last`

    with j_n the n-th last item of u. The published method is `num_last` 1. An item that never came
    after one of these scores 0.

    Args:
        reach: largest distance of a rule, in rows of a user.
        num_last: number of last items whose rules are used.
        seed: unused; the model is deterministic.

    Examples:
        >>> import drrec, pandas as pd
        >>> log = pd.DataFrame({"user": list("aaabbc"), "item": list("xyzxyx")})
        >>> model = drrec.SequentialRules().fit(drrec.Dataset.from_pandas(log))
        >>> model.recommend(["c"], k=1)["item"].tolist()
        ['y']
    """

    uses_history = True

    def __init__(self, reach: int = 10, num_last: int = 10, seed: int = 0) -> None:
        if not (1 <= reach <= _LONGEST and 1 <= num_last <= _LONGEST):
            raise InputError(
                f"`reach` and `num_last` must be in [1, {_LONGEST}]. "
                f"Received: {reach} and {num_last}."
            )
        self.reach = reach
        self.num_last = num_last
        self.seed = seed

    def _fit(self, train: Interactions) -> None:
        """Count the rules of `train`."""
        shape = (train.num_items, train.num_items)
        total = sp.csr_array(shape)
        for distance in range(1, min(self.reach, int(train.counts().max(initial=0)) - 1) + 1):
            is_pair = train.user[distance:] == train.user[:-distance]
            pair = train.item[:-distance][is_pair], train.item[distance:][is_pair]
            total = total + sp.csr_array((np.full(is_pair.sum(), 1 / distance), pair), shape)
        length: np.ndarray = np.asarray(total.sum(axis=1))  # [I]
        scale = np.divide(1, length, out=np.zeros_like(length), where=length > 0)
        self._rules = sp.csr_array(sp.diags_array(scale) @ total).astype(np.float32)  # [I, I]
        self._taken_by(train)

    def _taken_by(self, log: Interactions) -> None:
        self._sequences = log.histories(self.num_last)  # [U, num_last]
        self._seen = Seen.of(log)

    def _folded_in(self, log: Interactions, liked: np.ndarray) -> Self:
        other = copy.copy(self)
        other._taken_by(log.where(log.liked))
        return other

    @in_batches
    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """By rules of the user's last items in `train` and the new ones of the history.

        Args:
            users: [B].
            histories: [B, L'].
            candidates: [B, C] or None.

        Returns:
            [B, C] or [B, I]; see `Recommender.score`.
        """
        is_new = ~self._seen.has(users, histories)
        last = followed_by(self._sequences[users], histories, is_new)  # [B, num_last]
        weight = np.where(last != PADDING, 1 / np.arange(self.num_last, 0, -1), 0)
        row = np.repeat(np.arange(len(last)), self.num_last)
        shape = (len(last), self._rules.shape[0])
        taken = sp.csr_array((weight.ravel().astype(np.float32), (row, last.ravel())), shape)
        score = (taken @ self._rules).toarray()  # [B, I]
        if candidates is None:
            return score
        return np.take_along_axis(score, candidates.astype(np.intp), axis=1)
