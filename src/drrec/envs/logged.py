"""N logged sessions side by side, as tensors: nothing here runs per step in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from drrec.envs.base import LoggedState, Outcome, SessionEnvironment, mark
from drrec.envs.pairs import Pairs
from drrec.envs.rewards import rating_term
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.envs.config import LoggedConfig
    from drrec.envs.rewards import Rewards
    from drrec.envs.sessions import Sessions


class LoggedEnvironment(SessionEnvironment):
    """Sessions over a log of ratings: an item pleases by (rating − 3) / 2."""

    def __init__(
        self,
        config: LoggedConfig,
        train: Interactions,
        sessions: Sessions,
        predicted: tuple[np.ndarray, np.ndarray, float] | None = None,
        rewards: Rewards | None = None,
    ) -> None:
        """Put the tables on the device.

        Args:
            config: what a session shows and pays.
            train: every rating that may be handed out.
            sessions: how each user's session opens, and what it may show.
            predicted: user vectors [U, D], item vectors [I, D] and mean, for `model` rewards.
            rewards: as in `SessionEnvironment`.
        """
        if (config.unlogged == "model") != (predicted is not None):
            raise ValueError("`predicted` goes with `unlogged='model'`, and only with it.")
        super().__init__(config, train.num_items, sessions.players, sessions.history, rewards)
        self.log = train
        self._candidates = tf.constant(sessions.candidates)  # [U, C]
        self._known = tf.constant(sessions.known)  # [U, K]
        self._is_rated = tf.constant(np.bincount(train.item, minlength=train.num_items) > 0)  # [I]
        self._pairs = Pairs(train)
        self._logged_reward = self._pairs.column(rating_term(train.rating))  # [R]
        self._predicted = predicted and tuple(tf.constant(part, tf.float32) for part in predicted)

    def is_new(self) -> np.ndarray:
        """[R] bool: the ratings of the log that sessions hand out."""
        shown, log = self._candidates.numpy(), self.log
        pair = np.arange(log.num_users)[:, None] * np.int64(log.num_items) + shown
        return np.isin(log.user * np.int64(log.num_items) + log.item, pair[shown != PADDING])

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
        """[N] how `item [N]` pleases now: in a log, as it always does."""
        return self.reward(state.user, item)

    def reward(self, user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        """[N] how `item [N]` pleases users [N]: by their logged rating, else `config.unlogged`."""
        place, is_logged = self._pairs.find(user, item)
        logged = tf.gather(self._logged_reward, place)
        return tf.where(is_logged, logged, self._unlogged(user, item))

    def _unlogged(self, user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        if self._predicted is None:
            return tf.fill(tf.shape(item), tf.constant(self.config.unlogged_reward, tf.float32))
        users, items, mean = self._predicted
        dot = tf.reduce_sum(tf.gather(users, user) * tf.gather(items, item), axis=1)
        return rating_term(tf.clip_by_value(mean + dot, 1, 5))


def _left(items: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
    """[B, C] bool: which of `items [B, C]` are neither padding nor in `shown [B, T]`."""
    was_shown = tf.reduce_any(items[:, :, None] == shown[:, None, :], axis=2)
    return (items != PADDING) & ~was_shown


__all__ = ["LoggedEnvironment", "LoggedState", "Outcome"]
