"""The networks of DDPG with their targets and optimizers: everything that learns by gradient."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import keras

from drrec.nn.actor_critic import Critic, build_state_and_actor

if TYPE_CHECKING:
    import tensorflow as tf

    from drrec.agents.config import DDPGConfig
    from drrec.agents.items import ItemTable


class WithTargets:
    """A dataclass of networks, some of which have a field `target_…` beside their own."""

    def target_pairs(self) -> list[tuple[tf.Variable, tf.Variable]]:
        """(online, target) of every weight that has a target."""
        names = [f.name for f in dataclasses.fields(self)]  # type: ignore[arg-type]
        return [
            (online.value, target.value)
            for name in names
            if f"target_{name}" in names
            for online, target in zip(
                getattr(self, name).weights, getattr(self, f"target_{name}").weights, strict=True
            )
        ]


@dataclasses.dataclass(frozen=True, eq=False)
class DDPGNetworks(WithTargets):
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

    def critics(self) -> list[keras.layers.Layer]:
        """What learns Q; the actor follows the first."""
        return [self.critic]

    def target_critics(self) -> list[keras.layers.Layer]:
        """Their targets, in the same order."""
        return [self.target_critic]


@dataclasses.dataclass(frozen=True, eq=False)
class TwinNetworks(DDPGNetworks):
    """With a second critic, the lesser of whose values is believed."""

    twin: keras.layers.Layer
    target_twin: keras.layers.Layer

    def critics(self) -> list[keras.layers.Layer]:
        """What learns Q; the actor follows the first."""
        return [self.critic, self.twin]

    def target_critics(self) -> list[keras.layers.Layer]:
        """Their targets, in the same order."""
        return [self.target_critic, self.target_twin]


def build_networks(
    config: DDPGConfig,
    items: ItemTable,
    target_items: ItemTable,
    state_size: int,
    seed: int,
    num_critics: int = 1,
) -> DDPGNetworks:
    """Networks with their targets equal to them, started from `seed`; one critic or two."""
    keras.utils.set_random_seed(seed)
    dim = items.table().shape[1]
    vector = (None, dim)

    def half() -> dict[str, keras.layers.Layer]:
        state, actor, encoded = build_state_and_actor(config, dim, state_size)
        parts = {"state": state, "actor": actor}
        for name in ("critic", "twin")[:num_critics]:
            parts[name] = Critic(config.dim_critic, config.form, config.products)
            parts[name].build(encoded, vector, vector)
        return parts

    online = half()
    judging = [
        w for name, part in online.items() if name != "actor" for w in part.trainable_variables
    ]
    made = online | {f"target_{name}": part for name, part in half().items()}
    optimizers = {
        "actor_optimizer": (config.lr_actor, online["actor"].trainable_variables),
        "critic_optimizer": (config.lr_critic, judging),
        "encoder_optimizer": (config.lr_encoder, items.trainable_variables),
    }
    for name, (rate, weights) in optimizers.items():
        made[name] = keras.optimizers.Adam(rate)
        made[name].build(weights)
    form = TwinNetworks if num_critics == 2 else DDPGNetworks
    networks = form(items=items, target_items=target_items, **made)
    for value, copy in networks.target_pairs():
        copy.assign(value)
    return networks
