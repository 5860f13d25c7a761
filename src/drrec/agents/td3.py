"""TD3 over logged sessions, and its offline form (Fujimoto et al. 2018; Fujimoto and Gu 2021).

DDPG with three changes: the minimum of two critics, delayed updates of the actor, and target policy
smoothing, with noise drawn independently for each row.
"""

from __future__ import annotations

import tensorflow as tf

from drrec.agents.config import TD3Config
from drrec.agents.ddpg import DDPG
from drrec.agents.streams import Stream
from drrec.nn.losses import actor_loss, cloning_loss
from drrec.types import Transitions


class TD3(DDPG):
    """Twin delayed DDPG (Fujimoto et al. 2018), with behaviour cloning if wanted (TD3+BC).

    Examples:
        >>> import drrec
        >>> agent = drrec.TD3(policy_delay=2, cloning=0.4)
        >>> agent.config.cloning, agent.config.tau
        (0.4, 0.001)
    """

    Config = TD3Config
    config: TD3Config
    num_critics = 2
    streams = DDPG.streams | {Stream.SMOOTHING}

    def _update_actor(
        self, state: tf.Tensor, user: tf.Tensor, batch: Transitions
    ) -> dict[str, tf.Tensor]:
        """Every `policy_delay` updates; the reported actor loss is 0 in between."""
        is_time = self.iteration % self.config.policy_delay == 0

        def improved() -> dict[str, tf.Tensor]:
            return super(TD3, self)._update_actor(state, user, batch)

        return tf.cond(is_time, improved, lambda: {"actor_loss": tf.constant(0.0)})

    def _actor_loss(self, state: tf.Tensor, user: tf.Tensor, batch: Transitions) -> tf.Tensor:
        """−Q, plus the behaviour-cloning loss if `cloning` > 0."""
        nets, settings = self.networks, self.config
        action = nets.actor(state, user)
        q = nets.critic(state, user, action)
        if not settings.cloning:
            return actor_loss(q)
        shown = tf.math.l2_normalize(tf.gather(nets.items.table(), batch.item), axis=1)
        scale = tf.stop_gradient(tf.reduce_mean(tf.abs(q)))
        return actor_loss(q) / scale + settings.cloning * cloning_loss(action, shown)

    def _next_proto(self, action: tf.Tensor) -> tf.Tensor:
        """[B, D] the target actor's `action [B, D]` with clipped noise (equation 14)."""
        settings = self.config
        seed = self._stream(Stream.SMOOTHING)
        noise = tf.random.stateless_normal(tf.shape(action), seed, 0, settings.smoothing)
        noise = tf.clip_by_value(noise, -settings.smoothing_clip, settings.smoothing_clip)
        return tf.clip_by_value(action + noise, -1, 1)
