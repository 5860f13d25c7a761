"""The networks of SAC: twin critics with targets, a stochastic actor, and its temperature."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import keras

from drrec.agents.ddpg_networks import WithTargets, build_networks
from drrec.nn.actor_critic import InverseTemperature, LogStd, reads_rewards

if TYPE_CHECKING:
    from drrec.agents.config import SACConfig
    from drrec.agents.items import ItemTable


@dataclasses.dataclass(frozen=True, eq=False)
class SACNetworks(WithTargets):
    """Everything that learns; the actor has no target."""

    items: ItemTable
    state: keras.layers.Layer
    actor: keras.layers.Layer
    log_std: keras.layers.Layer
    temperature: keras.layers.Layer  # its factor is α
    critic: keras.layers.Layer
    twin: keras.layers.Layer
    target_items: ItemTable
    target_state: keras.layers.Layer
    target_critic: keras.layers.Layer
    target_twin: keras.layers.Layer
    actor_optimizer: keras.optimizers.Optimizer
    critic_optimizer: keras.optimizers.Optimizer
    encoder_optimizer: keras.optimizers.Optimizer
    temperature_optimizer: keras.optimizers.Optimizer

    def critics(self) -> list[keras.layers.Layer]:
        """Both critics."""
        return [self.critic, self.twin]

    def target_critics(self) -> list[keras.layers.Layer]:
        """Their targets, in the same order."""
        return [self.target_critic, self.target_twin]

    def acting_weights(self) -> list[keras.Variable]:
        """What the actor's loss trains."""
        return [*self.actor.trainable_variables, *self.log_std.trainable_variables]


def sac_networks(
    config: SACConfig, items: ItemTable, target_items: ItemTable, state_size: int, seed: int
) -> SACNetworks:
    """Networks with their targets equal to them, started from `seed`."""
    twins = build_networks(config, items, target_items, state_size, seed, num_critics=2)
    parts = {field.name: getattr(twins, field.name) for field in dataclasses.fields(twins)}
    del parts["target_actor"], parts["actor_optimizer"]
    dim = items.table().shape[1]
    log_std = LogStd(config.dim_actor, dim, config.initial_std, config.products)
    history = (None, state_size, dim + reads_rewards(config))
    log_std.build(parts["state"].compute_output_shape((None, dim), history))
    temperature = InverseTemperature(config.temperature)
    temperature.build(())
    networks = SACNetworks(
        **parts,
        log_std=log_std,
        temperature=temperature,
        actor_optimizer=keras.optimizers.Adam(config.lr_actor),
        temperature_optimizer=keras.optimizers.Adam(config.lr_temperature),
    )
    networks.actor_optimizer.build(networks.acting_weights())
    networks.temperature_optimizer.build(temperature.trainable_variables)
    return networks
