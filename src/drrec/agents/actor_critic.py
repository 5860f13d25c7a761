"""The networks of DDPG with their targets and optimizers: everything that learns by gradient."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import keras

from drrec.agents.networks import Critic, build_state_and_actor

if TYPE_CHECKING:
    import tensorflow as tf

    from drrec.agents.config import AgentConfig
    from drrec.agents.items import ItemTable


@dataclasses.dataclass(frozen=True, eq=False)
class DDPGNetworks:
    """Everything that learns; the checkpoint and the pairs to sync are read off its fields."""

    items: ItemTable
    state: keras.layers.Layer
    actor: keras.layers.Layer
    critic: keras.layers.Layer
    target_items: ItemTable
    target_state: keras.layers.Layer
    target_actor: keras.layers.Layer
    target_critic: keras.layers.Layer
    actor_optimizer: keras.optimizers.Optimizer
    critic_optimizer: keras.optimizers.Optimizer
    encoder_optimizer: keras.optimizers.Optimizer

    def target_pairs(self) -> list[tuple[tf.Variable, tf.Variable]]:
        """(online, target) of every weight that has a target."""
        names = [f.name for f in dataclasses.fields(self)]
        return [
            (online.value, target.value)
            for name in names
            if f"target_{name}" in names
            for online, target in zip(
                getattr(self, name).weights, getattr(self, f"target_{name}").weights, strict=True
            )
        ]


def build_networks(
    config: AgentConfig, items: ItemTable, target_items: ItemTable, state_size: int, seed: int
) -> DDPGNetworks:
    """Networks with their targets equal to them, started from `seed`."""
    keras.utils.set_random_seed(seed)
    dim = items.table().shape[1]
    vector = (None, dim)

    def trio() -> tuple[keras.layers.Layer, keras.layers.Layer, keras.layers.Layer]:
        state, actor = build_state_and_actor(config, dim, state_size)
        critic = Critic(config.dim_critic, config.form, config.products)
        critic.build(state.compute_output_shape(vector, (None, state_size, dim)), vector, vector)
        return state, actor, critic

    online, target = trio(), trio()
    actor_optimizer = keras.optimizers.Adam(config.lr_actor)
    actor_optimizer.build(online[1].trainable_variables)
    critic_optimizer = keras.optimizers.Adam(config.lr_critic)
    critic_optimizer.build(online[0].trainable_variables + online[2].trainable_variables)
    encoder_optimizer = keras.optimizers.Adam(config.lr_encoder)
    encoder_optimizer.build(items.trainable_variables)
    networks = DDPGNetworks(
        items, *online, target_items, *target, actor_optimizer, critic_optimizer, encoder_optimizer
    )
    for value, copy in networks.target_pairs():
        copy.assign(value)
    return networks
