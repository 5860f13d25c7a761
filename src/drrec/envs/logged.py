"""N logged sessions side by side, as tensors: nothing here runs per step in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from drrec.envs.base import LoggedState, Outcome, SessionEnvironment, mark
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.envs.config import LoggedConfig
    from drrec.envs.sessions import Sessions


class LoggedEnvironment(SessionEnvironment):
    """Sessions over a log of ratings: reward (rating − 3) / 2."""

    def __init__(
        self,
        config: LoggedConfig,
        train: Interactions,
        sessions: Sessions,
        predicted: tuple[np.ndarray, np.ndarray, float] | None = None,
    ) -> None:
        """Put the tables on the device.

        Args:
            config: what a session shows and pays.
            train: every rating that may be handed out.
            sessions: how each user's session opens, and what it may show.
            predicted: user vectors [U, D], item vectors [I, D] and mean, for `model` rewards.
        """
        if (config.unlogged == "model") != (predicted is not None):
            raise ValueError("`predicted` goes with `unlogged='model'`, and only with it.")
        super().__init__(config, train.num_items, sessions.players, sessions.history)
        self._candidates = tf.constant(sessions.candidates)  # [U, C]
        self._known = tf.constant(sessions.known)  # [U, K]
        self._is_rated = tf.constant(np.bincount(train.item, minlength=train.num_items) > 0)  # [I]
        order = np.lexsort((train.item, train.user))
        self._offsets = tf.constant(train.offsets.astype(np.int32))  # [U + 1]
        self._logged_item = tf.constant(train.item[order])  # [R], ascending for each user
        self._logged_reward = tf.constant((train.rating[order] - 3) / 2)  # [R]
        self._search_steps = int(train.counts().max()).bit_length()
        self._predicted = predicted and tuple(tf.constant(part, tf.float32) for part in predicted)

    def mean_logged(self, vectors: tf.Tensor) -> tf.Tensor:
        """[D] the mean of item vectors [I, D] over the ratings that sessions may show."""
        logged = tf.boolean_mask(self._candidates, self._candidates != PADDING)
        counts = tf.math.bincount(logged, minlength=self.num_items, dtype=tf.float32)
        return tf.linalg.matvec(vectors, counts / tf.reduce_sum(counts), transpose_a=True)

    def available(self, user: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
        """[B, I] bool: what may be shown to users [B] after `shown [B, T]`.

        Never what they had rated before the session, nor what nobody has rated: of a cold item the
        log cannot say that it would not have pleased.
        """
        not_shown = super().available(user, shown)
        if self.config.unlogged == "never":
            logged = tf.gather(self._candidates, user)  # [B, C]
            return not_shown & mark(tf.zeros_like(not_shown), logged, True)
        return mark(not_shown & self._is_rated, tf.gather(self._known, user), False)

    def choose(self, scores: tf.Tensor, user: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
        """[B] int32: the available item that `scores [B, I]` puts first."""
        if self.config.unlogged == "never":
            # A user's candidates are few: looking their scores up is cheaper than masking all.
            logged = tf.gather(self._candidates, user)  # [B, C]
            theirs = tf.gather(scores, logged, batch_dims=1)  # [B, C]
            theirs = tf.where(_left(logged, shown), theirs, -float("inf"))
            place = tf.argmax(theirs, axis=1, output_type=tf.int32)
            return tf.gather(logged, place, batch_dims=1)
        return super().choose(scores, user, shown)

    def is_over(self, user: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
        """[N] bool: nothing is available."""
        if self.config.unlogged == "never":
            return ~tf.reduce_any(_left(tf.gather(self._candidates, user), shown), axis=1)
        return super().is_over(user, shown)

    def paid(self, state: LoggedState, item: tf.Tensor) -> tf.Tensor:
        """[N] what `item [N]` pays now: in a log, what it always does."""
        return self.reward(state.user, item)

    def reward(self, user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        """[N] what `item [N]` pays users [N]: by their logged rating, else `config.unlogged`."""
        low, high = tf.gather(self._offsets, user), tf.gather(self._offsets, user + 1) - 1
        # Binary search by hand: XLA turns tf.searchsorted into a comparison with every rating.
        for _ in range(self._search_steps):
            middle = (low + high) // 2
            smaller = tf.gather(self._logged_item, middle) < item
            low = tf.where(smaller, tf.minimum(middle + 1, high), low)
            high = tf.where(smaller, high, middle)
        logged = tf.gather(self._logged_item, low) == item
        return tf.where(logged, tf.gather(self._logged_reward, low), self._unlogged(user, item))

    def _unlogged(self, user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        if self._predicted is None:
            return tf.fill(tf.shape(item), tf.constant(self.config.unlogged_reward, tf.float32))
        users, items, mean = self._predicted
        dot = tf.reduce_sum(tf.gather(users, user) * tf.gather(items, item), axis=1)
        return (tf.clip_by_value(mean + dot, 1, 5) - 3) / 2


def _left(items: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
    """[B, C] bool: which of `items [B, C]` are neither padding nor in `shown [B, T]`."""
    was_shown = tf.reduce_any(items[:, :, None] == shown[:, None, :], axis=2)
    return (items != PADDING) & ~was_shown


__all__ = ["LoggedEnvironment", "LoggedState", "Outcome"]
