"""What an agent that learns from its own rollouts is made of, and what it learns from."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import keras

from drrec.nn.actor_critic import InverseTemperature, Value, build_state_and_actor

if TYPE_CHECKING:
    import tensorflow as tf

    from drrec.agents.config import OnPolicyConfig
    from drrec.agents.items import ItemTable
    from drrec.envs.base import LoggedState


@dataclasses.dataclass(frozen=True, eq=False)
class PolicyNetworks:
    """Everything that learns."""

    items: ItemTable
    state: keras.layers.Layer
    actor: keras.layers.Layer
    inverse_temperature: keras.layers.Layer
    value: keras.layers.Layer
    actor_optimizer: keras.optimizers.Optimizer
    critic_optimizer: keras.optimizers.Optimizer
    encoder_optimizer: keras.optimizers.Optimizer


@dataclasses.dataclass(frozen=True, eq=False)
class OnPolicyLearner:
    """All state of training: what a checkpoint holds. Rollouts are used up when it is written."""

    networks: PolicyNetworks
    sessions: LoggedState  # of tf.Variable
    iteration: tf.Variable  # [] int64, steps of each session, and the counter of random streams


class Steps(NamedTuple):
    """H steps of N sessions, or B of them in any order."""

    user: tf.Tensor  # [H, N] int32
    history: tf.Tensor  # [H, N, L] int32
    shown: tf.Tensor  # [H, N, T] int32, what could not be shown any more
    item: tf.Tensor  # [H, N] int32
    reward: tf.Tensor  # [H, N]
    next_history: tf.Tensor  # [H, N, L] int32
    terminal: tf.Tensor  # [H, N] bool
    done: tf.Tensor  # [H, N] bool
    candidates: tf.Tensor  # [H, N, C] int32, what the softmax was estimated from; C = 1: from all


class TrainingBatch(NamedTuple):
    """What B steps are to teach."""

    log_prob: tf.Tensor  # [B] under the policy that played
    value: tf.Tensor  # [B] as it was thought then
    advantage: tf.Tensor  # [B]
    target: tf.Tensor  # [B] what the value is drawn to


class PolicyMetrics(NamedTuple):
    """Sums over the iterations of one call; `docs/agents/ppo.md` says what each means."""

    reward: tf.Tensor
    value: tf.Tensor
    critic_loss: tf.Tensor
    actor_loss: tf.Tensor
    entropy: tf.Tensor
    inverse_temperature: tf.Tensor


def policy_networks(
    config: OnPolicyConfig, items: ItemTable, state_size: int, seed: int
) -> PolicyNetworks:
    """Networks started from `seed`."""
    keras.utils.set_random_seed(seed)
    dim = items.table().shape[1]
    state, actor, encoded = build_state_and_actor(config, dim, state_size)
    inverse_temperature = InverseTemperature(config.inverse_temperature)
    inverse_temperature.build((None, None))
    value = Value(config.dim_critic, config.form, config.products)
    value.build(encoded)
    optimizers: list[Any] = []
    for rate, parts in (
        (config.lr_actor, (actor, inverse_temperature)),
        (config.lr_critic, (state, value)),
        (config.lr_encoder, (items,)),
    ):
        optimizers.append(keras.optimizers.Adam(rate))
        optimizers[-1].build([weight for part in parts for weight in part.trainable_variables])
    return PolicyNetworks(items, state, actor, inverse_temperature, value, *optimizers)
