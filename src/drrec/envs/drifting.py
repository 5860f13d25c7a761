"""Sessions in a world whose best sessions are known: tastes drift, whatever is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from drrec.data.histories import opening
from drrec.envs.base import LoggedState, SessionEnvironment
from drrec.errors import InputError

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.envs.config import LoggedConfig
    from drrec.worlds.drifting import DriftingWorld


class DriftingEnvironment(SessionEnvironment):
    """Any item may be shown; it pays the dot product of its vector and the user's at that step.

    Sessions open with what each user liked last in the log. What the best would earn is
    `worlds.drifting.best_sessions`.
    """

    def __init__(
        self,
        config: LoggedConfig,
        train: Interactions,
        world: DriftingWorld,
        *,
        with_rewards: bool = False,
    ) -> None:
        """Put the tables on the device.

        Args:
            config: how long sessions and histories are.
            train: the ratings that sessions open from; all users play.
            world: the truth, by the dense ids of `train`.
            with_rewards: as in `LivingEnvironment`.

        Raises:
            InputError: sessions are longer than the world drifts.
        """
        if config.episode_length > world.steps:
            raise InputError(
                f"Expected sessions of at most {world.steps} steps, for so long the world drifts. "
                f"Received: {config.episode_length}. Lower --episode-length."
            )
        playing = np.arange(train.num_users, dtype=np.int32)
        history = opening(train, config.state_size, with_rewards=with_rewards)
        super().__init__(config, train.num_items, playing, history)
        self.log = train
        self._user = tf.constant(world.user)  # [U, T, D]
        self._item = tf.constant(world.item)  # [I, D]

    def mean_logged(self, vectors: tf.Tensor) -> tf.Tensor:
        """[D] the mean of item vectors [I, D] over the catalogue."""
        return tf.reduce_mean(vectors[1:], axis=0)

    def paid(self, state: LoggedState, item: tf.Tensor) -> tf.Tensor:
        """[N] in [−1, 1], whatever was shown before."""
        now = tf.gather_nd(self._user, tf.stack([state.user, state.step], axis=1))  # [N, D]
        return tf.reduce_sum(now * tf.gather(self._item, item), axis=1)
