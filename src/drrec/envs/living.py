"""LivingEnvironment: sessions with the true user model of a synthetic data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from drrec.data.histories import opening
from drrec.envs.base import LoggedState, SessionEnvironment
from drrec.types import PADDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.data.interactions import Interactions
    from drrec.envs.config import LoggedConfig
    from drrec.envs.rewards import Rewards
    from drrec.worlds.world import Truth


class LivingEnvironment(SessionEnvironment):
    """Sessions over the whole catalogue: reward is appeal minus boredom from earlier items.

    The initial history is each user's at the end of the log; boredom starts at 0.
    """

    def __init__(
        self,
        config: LoggedConfig,
        train: Interactions,
        truth: Truth,
        rewards: Rewards | None = None,
        offered: np.ndarray | None = None,
        held_out: float = 0.0,
        *,
        with_rewards: bool = False,
    ) -> None:
        """Move the tables to the device.

        Args:
            config: settings of sessions.
            train: the training ratings, for initial histories.
            truth: the user model, by the dense ids of `train`.
            rewards: as in `SessionEnvironment`.
            offered: as in `SessionEnvironment`.
            held_out: share of each user's latest ratings that embeddings are not fitted on.
            with_rewards: whether histories hold every item shown with its reward.
        """
        playing = np.arange(train.num_users, dtype=np.int32)
        if offered is not None:
            playing = playing[(offered != PADDING).any(axis=1)]
        history = opening(train, config.state_size, with_rewards=with_rewards)
        super().__init__(config, train.num_items, playing, history, rewards, offered)
        self.log = train
        self._held_out = held_out
        self._appeal = _looked_up(truth.appeal)
        self._kind = tf.constant(truth.kind)  # [I]
        self._boredom = tf.constant(truth.boredom)  # [K + 1, K + 1]
        self._window = truth.window

    def is_new(self) -> np.ndarray:
        """[R] bool: the ratings that user embeddings are not fitted on."""
        return self.log.is_future(self._held_out)

    def mean_logged(self, vectors: tf.Tensor) -> tf.Tensor:
        """[D] the mean of item vectors [I, D] over the catalogue."""
        return tf.reduce_mean(vectors[1:], axis=0)

    def paid(self, state: LoggedState, item: tf.Tensor) -> tf.Tensor:
        """[N] appeal minus boredom; not clipped."""
        reward = self._appeal(state.user, item)  # [N]
        kind = tf.gather(self._kind, item)
        for back in range(1, self._window + 1):
            place = state.step - back
            earlier = tf.gather(state.shown, tf.maximum(place, 0), batch_dims=1)  # [N]
            earlier = tf.where(place < 0, PADDING, earlier)
            pair = tf.stack([tf.gather(self._kind, earlier), kind], axis=1)
            reward -= tf.gather_nd(self._boredom, pair)
        return reward


def _looked_up(appeal: Any) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """From users [N] and items [N] to what these please, of a table [U, I] or of factors."""
    if isinstance(appeal, np.ndarray):
        table = tf.constant(appeal)
        return lambda user, item: tf.gather_nd(table, tf.stack([user, item], axis=1))
    scale = appeal.scale
    users, items = tf.constant(appeal.user), tf.constant(appeal.item)
    low, width = (tf.constant(part, tf.float32) for part in (scale.low, scale.width))

    def predicted(user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        dot = tf.reduce_sum(tf.gather(users, user) * tf.gather(items, item), axis=1)
        score = 2 * (appeal.mean + dot - tf.gather(low, user)) / tf.gather(width, user) - 1
        return tf.where(item == PADDING, 0.0, tf.clip_by_value(score, -1.0, 1.0))

    return predicted
