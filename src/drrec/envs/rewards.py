"""What a shown item pays: a weighted sum of terms, each a pure function with a range.

Only the rating says whether an item is liked, whatever the sum pays: histories move by it alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Self

import numpy as np
import tensorflow as tf

from drrec.envs.config import RewardConfig
from drrec.envs.pairs import Pairs
from drrec.errors import InputError
from drrec.nn.histories import items_of
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.envs.base import LoggedState

AWAY_SECONDS = 8 * 3600
"""Who does nothing for so long, a night, has left: what comes next is a visit of its own."""

DAY_SECONDS = 86_400


def rating_term(rating: tf.Tensor) -> tf.Tensor:
    """[N] ratings from 1 to 5 -> [N] in [−1, 1], above 0 if liked (Liu et al. 2018)."""
    return (rating - 3) / 2


def novelty_term(num_raters: tf.Tensor, num_users: int) -> tf.Tensor:
    """[N] in [0, 1]: the item's self-information, as a share of the most that there can be.

    log(U / n) / log U, for an item that n of U users have: 0 if all have it, 1 if one or nobody has
    (Zhou et al. 2010).

    Args:
        num_raters: [N] float32 how many users have each item.
        num_users: U.
    """
    if num_users < 2:
        return tf.zeros_like(num_raters)
    bits = math.log(num_users) - tf.math.log(tf.maximum(num_raters, 1.0))
    return tf.clip_by_value(bits / math.log(num_users), 0.0, 1.0)


def diversity_term(item: tf.Tensor, history: tf.Tensor) -> tf.Tensor:
    """[N] in [0, 1]: half of 1 − the mean cosine of the item and what the history holds.

    0 for an empty history, which nothing differs from.

    Args:
        item: [N, D] of length 1, or zero where nothing is known of the item.
        history: [N, L, D] likewise, zero for padding.
    """
    is_there = tf.reduce_any(history != 0, axis=2)  # [N, L]
    count = tf.reduce_sum(tf.cast(is_there, tf.float32), axis=1)  # [N]
    cosine = tf.reduce_sum(item[:, None, :] * history, axis=2)  # [N, L]
    mean = tf.math.divide_no_nan(tf.reduce_sum(cosine, axis=1), count)
    return tf.where(count > 0, tf.clip_by_value((1 - mean) / 2, 0.0, 1.0), 0.0)


def return_term(came_back: tf.Tensor, is_logged: tf.Tensor) -> tf.Tensor:
    """[N] 0 or 1: whether the user came back soon after the visit in which they took the item.

    0 for what they never took: nobody knows what it would have led to.

    Args:
        came_back: [N] float32 of the log's rows, as `visits_returned` has it.
        is_logged: [N] bool: whether there is such a row.
    """
    return tf.where(is_logged, came_back, 0.0)


def visits_returned(log: Interactions, days: float) -> np.ndarray:
    """[R] float32: 1 if the visit that a row belongs to was followed by another within `days`.

    A visit goes on until its user does nothing for `AWAY_SECONDS`; the days count from its last
    row. Who does not come back within the log has not come back.

    Raises:
        InputError: the log has no time stamps, or all its rows are alike in this.
    """
    if log.timestamp.max() < 365 * DAY_SECONDS:  # of 1970, or the numbers of rows
        raise InputError(
            "Expected a log with time stamps for --reward-return. Received: none, the order of its "
            "rows stands for them. Add a timestamp column, or leave --reward-return out."
        )
    is_same_user = log.user[1:] == log.user[:-1]
    silence = np.diff(log.timestamp)
    begins = np.concatenate([[True], ~is_same_user | (silence >= AWAY_SECONDS)])
    is_soon = is_same_user & (silence <= days * DAY_SECONDS)
    last = np.flatnonzero(np.append(begins[1:], True))  # of each visit
    returned = np.append(is_soon, False)[last][np.cumsum(begins) - 1].astype(np.float32)
    if np.ptp(returned) == 0:
        came = "all come" if returned[0] else "none comes"
        raise InputError(
            f"Expected some of the log's visits to be followed by another within {days:g} days. "
            f"Received: {came} back. Change --return-days, or leave --reward-return out."
        )
    return returned


class Rewards:
    """The weighted sum that a session pays, and its terms apart."""

    def __init__(self, config: RewardConfig, train: Interactions, item_vectors: np.ndarray) -> None:
        """Put the tables of the terms that have a weight on the device.

        Args:
            config: the weights.
            train: the ratings that may be learned from.
            item_vectors: [I, D] what items are like, row 0 zero.

        Raises:
            InputError: the log cannot say who came back, and that is to be rewarded.
        """
        self.weights = config.weights
        self._num_users = int((train.counts() > 0).sum())
        if "novelty" in self.weights:
            self._num_raters = tf.constant(_num_raters(train), tf.float32)  # [I]
        if "diversity" in self.weights:
            self._unit = tf.constant(_unit(item_vectors), tf.float32)  # [I, D]
        if "return" in self.weights:
            self._pairs = Pairs(train)
            returned = visits_returned(train, config.return_days)
            self._came_back = self._pairs.column(returned)  # [R]

    @classmethod
    def over(
        cls, config: RewardConfig, train: Interactions, item_vectors: np.ndarray
    ) -> Self | None:
        """None where the rating alone pays, and as much as it does."""
        return None if config.weights == {"rating": 1} else cls(config, train, item_vectors)

    def terms(
        self, state: LoggedState, item: tf.Tensor, pleased: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """[N] each term that has a weight, before it is weighted.

        Args:
            state: the sessions before `item` is shown.
            item: [N] int32.
            pleased: [N] float32 what the environment pays by ratings alone.
        """
        made = {}
        if "rating" in self.weights:
            made["rating"] = pleased
        if "novelty" in self.weights:
            made["novelty"] = novelty_term(tf.gather(self._num_raters, item), self._num_users)
        if "diversity" in self.weights:
            history = tf.gather(self._unit, items_of(state.history))  # [N, L, D]
            made["diversity"] = diversity_term(tf.gather(self._unit, item), history)
        if "return" in self.weights:
            place, is_logged = self._pairs.find(state.user, item)
            made["return"] = return_term(tf.gather(self._came_back, place), is_logged)
        return made

    def total(self, terms: dict[str, tf.Tensor]) -> tf.Tensor:
        """[N] the weighted sum of what `terms` gave."""
        return tf.add_n([self.weights[name] * term for name, term in terms.items()])


def _num_raters(train: Interactions) -> np.ndarray:
    """[I] users, not rows: an item may come again."""
    pairs = np.unique(train.user.astype(np.int64) * train.num_items + train.item)
    return np.bincount(pairs % train.num_items, minlength=train.num_items)


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, length, out=np.zeros(vectors.shape), where=length > 0)
    unit[PADDING] = 0
    return unit
