"""Networks of the supervised actor-critic: those of PPO, and the sequence encoder."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import keras

from drrec.agents.items import GrownItemTable
from drrec.agents.rollouts import OnPolicyLearner, PolicyNetworks, policy_networks
from drrec.nn.actor_critic import InverseTemperature
from drrec.nn.sequence import NextItem, averaged

if TYPE_CHECKING:
    import tensorflow as tf

    from drrec.agents.config import SupervisedConfig
    from drrec.agents.items import ItemTable


@dataclasses.dataclass(frozen=True, eq=False)
class SupervisedNetworks(PolicyNetworks):
    """Everything that learns."""

    items: GrownItemTable
    learner: NextItem
    reader: NextItem  # the Polyak average of the learner
    gain: keras.layers.Layer
    sequence_optimizer: keras.optimizers.Optimizer


@dataclasses.dataclass(frozen=True, eq=False)
class SupervisedLearner(OnPolicyLearner):
    """All state of training: what a checkpoint holds."""

    user: tf.Variable  # [U, D + E] as they were read last


class SupervisedMetrics(NamedTuple):
    """Sums over the iterations of one call; `docs/agents/supervised.md` says what each means."""

    reward: tf.Tensor
    value: tf.Tensor
    critic_loss: tf.Tensor
    actor_loss: tf.Tensor
    entropy: tf.Tensor
    inverse_temperature: tf.Tensor
    sequence_loss: tf.Tensor
    gain: tf.Tensor


def supervised_networks(
    config: SupervisedConfig, base: ItemTable, state_size: int, seed: int
) -> SupervisedNetworks:
    """Networks initialised by `seed`, over `base` items with the encoder's dimensions added."""
    keras.utils.set_random_seed(seed)
    own, num_items = config, base.table().shape[0]
    blocks = {
        "num_layers": own.sequence_layers,
        "num_heads": own.sequence_heads,
        "dropout": own.sequence_dropout,
    }
    learner = NextItem(num_items, own.sequence_width, "transformer", blocks)
    learner.build((None, own.window))
    reader = averaged(learner)
    gain = InverseTemperature()
    gain.build((None, None))
    optimizer = keras.optimizers.Adam(own.lr_sequence, beta_2=0.98)
    optimizer.build([*learner.trainable_variables, *gain.trainable_variables])
    items = GrownItemTable(base, own.sequence_width)
    played = policy_networks(config, items, state_size, seed)
    parts = {field.name: getattr(played, field.name) for field in dataclasses.fields(played)}
    return SupervisedNetworks(
        **parts, learner=learner, reader=reader, gain=gain, sequence_optimizer=optimizer
    )
