"""LoggedEnvironment: N parallel sessions that replay a rating log, as tensors."""

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
    """Sessions over a rating log, with reward (rating − 3) / 2."""

    def __init__(
        self,
        config: LoggedConfig,
        train: Interactions,
        sessions: Sessions,
        predicted: tuple[np.ndarray, np.ndarray, float] | None = None,
        rewards: Rewards | None = None,
        offered: np.ndarray | None = None,
    ) -> None:
        """Move the tables to the device.

        Args:
            config: settings of sessions.
            train: the training ratings.
            sessions: initial history and items of each user's session.
            predicted: user vectors [U, D], item vectors [I, D] and mean, for `model` rewards.
            rewards: as in `SessionEnvironment`.
            offered: as in `SessionEnvironment`; ignored with `unlogged` never.
        """
        if (config.unlogged == "model") != (predicted is not None):
            raise ValueError("`predicted` goes with `unlogged='model'`, and only with it.")
        if config.unlogged == "never":
            offered = sessions.candidates
        openings = sessions.playing, sessions.history
        super().__init__(config, train.num_items, *openings, rewards, offered)
        self.log = train
        self._candidates = tf.constant(sessions.candidates)  # [U, C]
        known = sessions.known if self._offered is None else np.zeros((1, 0), np.int32)
        self._known = tf.constant(known)  # [U, K], asked for where all may be shown
        is_rated = np.bincount(train.item, minlength=train.num_items) > 0
        self._is_rated = tf.constant(is_rated)  # [I]
        self._num_showable = int(is_rated.sum())
        self._pairs = Pairs(train)
        self._logged_reward = self._pairs.column(rating_term(train.rating))  # [R]
        self._predicted = predicted and tuple(tf.constant(part, tf.float32) for part in predicted)

    @property
    def pays_for_uptake(self) -> bool:
        """Whether all unrated items have the same reward."""
        return self.config.unlogged == "constant"

    def is_new(self) -> np.ndarray:
        """[R] bool: the ratings that sessions show, which embeddings are not fitted on."""
        shown, log = self._candidates.numpy(), self.log
        user, place = np.nonzero(shown)
        pairs = user * np.int64(log.num_items) + shown[user, place]
        return np.isin(log.user * np.int64(log.num_items) + log.item, pairs)

    def mean_logged(self, vectors: tf.Tensor) -> tf.Tensor:
        """[D] the mean of item vectors [I, D] over the ratings that sessions may show."""
        logged = tf.boolean_mask(self._candidates, self._candidates != PADDING)
        counts = tf.math.bincount(logged, minlength=self.num_items, dtype=tf.float32)
        return tf.linalg.matvec(vectors, counts / tf.reduce_sum(counts), transpose_a=True)

    def available(self, user: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
        """[B, I] bool: the items available to users [B] after `shown [B, T]`.

        Items that the user rated before the session, and items without ratings, are unavailable.
        """
        not_shown = super().available(user, shown)
        if self._offered is not None:
            return not_shown
        return mark(not_shown & self._is_rated, tf.gather(self._known, user), False)

    def barred(self, user: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
        """[B, n] int32: see `SessionEnvironment.barred`."""
        if self._offered is not None:
            return shown
        return tf.concat([shown, tf.gather(self._known, user)], axis=1)

    def is_showable(self) -> np.ndarray:
        """[I] bool: items with ratings."""
        return np.array(self._is_rated)

    def paid(self, state: LoggedState, item: tf.Tensor) -> tf.Tensor:
        """[N] the rating term of `item [N]`; it does not depend on the session."""
        return self.reward(state.user, item)

    def reward(self, user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        """[N] the rating term of `item [N]`: by the logged rating, else by `config.unlogged`."""
        place, is_logged = self._pairs.find(user, item)
        logged = tf.gather(self._logged_reward, place)
        return tf.where(is_logged, logged, self._unlogged(user, item))

    def _unlogged(self, user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        if self._predicted is None:
            return tf.fill(tf.shape(item), tf.constant(self.config.unlogged_reward, tf.float32))
        users, items, mean = self._predicted
        dot = tf.reduce_sum(tf.gather(users, user) * tf.gather(items, item), axis=1)
        return rating_term(tf.clip_by_value(mean + dot, 1, 5))


__all__ = ["LoggedEnvironment", "LoggedState", "Outcome"]
