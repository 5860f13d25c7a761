"""SAC over logged sessions (Haarnoja et al. 2018, *Soft actor-critic algorithms and applications*).

DDPG's loop with a stochastic actor: a Gaussian around DDPG's action, squashed by tanh, whose
entropy is kept at a target by a learned temperature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import tensorflow as tf

from drrec.agents.config import SACConfig
from drrec.agents.ddpg import DDPG, least_value
from drrec.agents.sac_networks import SACNetworks, sac_networks
from drrec.agents.streams import Stream
from drrec.nn.histories import described
from drrec.nn.losses import soft_actor_loss, td_target, temperature_loss
from drrec.nn.squashed import squashed_sample

if TYPE_CHECKING:
    from drrec.agents.items import ItemTable
    from drrec.envs.base import LoggedState
    from drrec.types import Transitions


class SACMetrics(NamedTuple):
    """Sums over the iterations of one call; `docs/agents/sac.md` defines each."""

    reward: tf.Tensor
    q: tf.Tensor
    critic_loss: tf.Tensor
    actor_loss: tf.Tensor
    td_error: tf.Tensor
    weight: tf.Tensor
    alpha: tf.Tensor
    entropy: tf.Tensor


class SAC(DDPG):
    """Soft actor-critic (Haarnoja et al. 2018) with a learned entropy temperature.

    Examples:
        >>> import drrec
        >>> agent = drrec.SAC(target_entropy=-1.5)
        >>> agent.config.target_entropy, agent.config.temperature
        (-1.5, 0.01)
    """

    Config = SACConfig
    config: SACConfig
    networks: SACNetworks  # type: ignore[assignment]
    metrics: Any = SACMetrics
    streams = DDPG.streams | {Stream.NEXT_ACTION, Stream.ACTION}

    def _new_networks(self, tables: tuple[ItemTable, ItemTable], state_size: int) -> SACNetworks:
        return sac_networks(self.config, *tables, state_size, self.seed)

    def _behaviour(self, state: LoggedState, items: tf.Tensor) -> tf.Tensor:
        """[N, D] actions sampled from the policy."""
        user = tf.gather(self.user, state.user)
        encoded = self.networks.state(user, described(items, state.history))
        return self._sampled(encoded, user, Stream.NOISE)[0]

    def _sampled(
        self, state: tf.Tensor, user: tf.Tensor, stream: Stream
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Actions [B, D] of the policy in states [B, S], and their log π [B]."""
        nets = self.networks
        mean = nets.actor.before_tanh(state, user)
        noise = tf.random.stateless_normal(tf.shape(mean), self._stream(stream))
        return squashed_sample(mean, nets.log_std(state), noise)

    def _target(self, batch: Transitions, user: tf.Tensor) -> tf.Tensor:
        """[B] soft TD targets y = r + γ (min Q'(s', a') − α log π(a'|s'))."""
        if not self.config.discount:
            return batch.reward
        nets = self.networks
        # The actor reads the state that it is trained on, the target critics their own.
        next_state = nets.state(user, described(nets.items.table(), batch.next_history))
        proto, log_prob = self._sampled(next_state, user, Stream.NEXT_ACTION)
        items = nets.target_items.table()
        target_state = nets.target_state(user, described(items, batch.next_history))
        next_action = self._as_trained(proto, items, batch)
        next_q = least_value(nets.target_critics(), target_state, user, next_action)
        soft = next_q - nets.temperature.factor() * log_prob
        return td_target(batch.reward, batch.discount, soft)

    def _update_actor(
        self, state: tf.Tensor, user: tf.Tensor, batch: Transitions
    ) -> dict[str, tf.Tensor]:
        """Update the actor on the minimum of the critics, the temperature, then the targets."""
        nets = self.networks
        alpha = nets.temperature.factor()
        with tf.GradientTape() as tape:
            action, log_prob = self._sampled(state, user, Stream.ACTION)
            q = least_value(nets.critics(), state, user, action)
            loss = soft_actor_loss(q, log_prob, alpha)
        self._descend(nets.actor_optimizer, tape, loss, nets.acting_weights())
        self._update_temperature(log_prob)
        self._sync_targets()
        return {"actor_loss": loss, "alpha": alpha, "entropy": -tf.reduce_mean(log_prob)}

    def _update_temperature(self, log_prob: tf.Tensor) -> None:
        """Raise α if the entropy, of samples with log π [B], is below its target; else lower it."""
        nets = self.networks
        target_entropy = self.config.target_entropy * self.user.shape[1]
        with tf.GradientTape() as tape:
            loss = temperature_loss(nets.temperature.factor(), log_prob, target_entropy)
        weights = nets.temperature.trainable_variables
        self._descend(nets.temperature_optimizer, tape, loss, weights)
