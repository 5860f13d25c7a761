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
        offered: np.ndarray | None = None,
    ) -> None:
        """Put the tables on the device.

        Args:
            config: what a session shows and pays.
            train: every rating that may be handed out.
            sessions: how each user's session opens, and what it may show.
            predicted: user vectors [U, D], item vectors [I, D] and mean, for `model` rewards.
            rewards: as in `SessionEnvironment`.
            offered: likewise; where unlogged items are never shown, only the session's own may be.
        """
        if (config.unlogged == "model") != (predicted is not None):
            raise ValueError("`predicted` goes with `unlogged='model'`, and only with it.")
        if config.unlogged == "never":
            offered = sessions.candidates
        openings = sessions.playing, sessions.history
        super().__init__(config, train.num_items, *openings, rewards, offered)
        self.log = train
        self._candidates = tf.constant(sessions.candidates)  # [U, C]
        self._known = tf.constant(sessions.known)  # [U, K]
        self._is_rated = tf.constant(np.bincount(train.item, minlength=train.num_items) > 0)  # [I]
        self._pairs = Pairs(train)
        self._logged_reward = self._pairs.column(rating_term(train.rating))  # [R]
        self._predicted = predicted and tuple(tf.constant(part, tf.float32) for part in predicted)

    @property
    def pays_for_uptake(self) -> bool:
        """Whether all that a user has not rated pays the same."""
        return self.config.unlogged == "constant"

    def is_new(self) -> np.ndarray:
        """[R] bool: the ratings of the log that sessions hand out, which vectors do not know."""
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
        if self._offered is not None:
            return not_shown
        return mark(not_shown & self._is_rated, tf.gather(self._known, user), False)

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


__all__ = ["LoggedEnvironment", "LoggedState", "Outcome"]
