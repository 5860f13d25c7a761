"""What the supervised actor-critic is made of."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import keras

from drrec.agents.actor_critic import WithTargets
from drrec.agents.items import GrownItemTable
from drrec.agents.networks import Critic, Sharpness, build_state_and_actor
from drrec.models.transformer import CausalTransformer

if TYPE_CHECKING:
    import tensorflow as tf

    from drrec.agents.config import AgentConfig
    from drrec.envs.base import LoggedState


@dataclasses.dataclass(frozen=True, eq=False)
class SupervisedNetworks(WithTargets):
    """Everything that learns."""

    items: GrownItemTable
    reader: keras.layers.Layer
    gain: keras.layers.Layer
    state: keras.layers.Layer
    actor: keras.layers.Layer
    critic: keras.layers.Layer
    target_state: keras.layers.Layer
    target_critic: keras.layers.Layer
    reader_optimizer: keras.optimizers.Optimizer
    actor_optimizer: keras.optimizers.Optimizer
    critic_optimizer: keras.optimizers.Optimizer


@dataclasses.dataclass(frozen=True, eq=False)
class SupervisedLearner:
    """All state of training: what a checkpoint holds."""

    networks: SupervisedNetworks
    sessions: LoggedState  # of tf.Variable
    iteration: tf.Variable  # [] int64, positions of each stretch, and the random streams' counter


class SupervisedMetrics(NamedTuple):
    """Sums over the iterations of one call; `docs/agents/supervised.md` says what each means."""

    reward: tf.Tensor
    reading_loss: tf.Tensor
    actor_loss: tf.Tensor
    critic_loss: tf.Tensor
    q: tf.Tensor
    weight: tf.Tensor
    gain: tf.Tensor


def supervised_networks(
    config: AgentConfig, items: GrownItemTable, state_size: int, seed: int
) -> SupervisedNetworks:
    """Networks with their targets equal to them, started from `seed`."""
    keras.utils.set_random_seed(seed)
    own, dim = config.supervised, items.table().shape[1]
    vector, sequence = (None, dim), (None, own.window, own.reader_width)
    state, actor = build_state_and_actor(config, dim, state_size)
    target_state, _ = build_state_and_actor(config, dim, state_size)
    encoded = state.compute_output_shape(vector, (None, state_size, dim))
    critics = [Critic(config.dim_critic, config.form, config.products) for _ in range(2)]
    for critic in critics:
        critic.build(encoded, vector, vector)
    reader = CausalTransformer(own.reader_layers, own.reader_heads, dropout=own.reader_dropout)
    reader.build(sequence, sequence[:2])
    gain = Sharpness()
    gain.build((None, None))
    optimizers = []
    for rate, parts in (
        (own.lr_reader, (items, reader, gain)),
        (config.lr_actor, (actor,)),
        (config.lr_critic, (state, critics[0])),
    ):
        optimizers.append(keras.optimizers.Adam(rate, beta_2=0.98 if parts[0] is items else 0.999))
        optimizers[-1].build([weight for part in parts for weight in part.trainable_variables])
    networks = SupervisedNetworks(
        items, reader, gain, state, actor, critics[0], target_state, critics[1], *optimizers
    )
    for online, copy in networks.target_pairs():
        copy.assign(online)
    return networks
