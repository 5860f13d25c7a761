"""DDPG over logged sessions, compiled whole (Lillicrap et al. 2016; Liu et al. 2018, algorithm 1).

The critic's loss trains the state module, and the item encoder where that is tuned; the actor's
loss reaches neither.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import keras
import tensorflow as tf

from drrec.agents.actor_critic import DDPGNetworks, build_networks
from drrec.agents.items import ItemTable, TunedItemTable
from drrec.agents.losses import actor_loss, critic_loss, td_target
from drrec.agents.policy import Policy
from drrec.agents.replay import Replay
from drrec.envs.base import LoggedState, SessionEnvironment
from drrec.types import Transitions

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from drrec.agents.config import DDPGConfig
    from drrec.features.store import Modality
    from drrec.models.item_encoder import ItemEncoder


@dataclasses.dataclass(frozen=True, eq=False)
class DDPGLearner:
    """All state of training: what a checkpoint holds, derived from these fields."""

    networks: DDPGNetworks
    replay: Replay
    sessions: LoggedState  # of tf.Variable
    iteration: tf.Variable  # [] int64, also the counter of all random streams


class Metrics(NamedTuple):
    """Sums over the iterations of one call; `docs/agents/ddpg.md` says what each means."""

    reward: tf.Tensor
    q: tf.Tensor
    critic_loss: tf.Tensor
    actor_loss: tf.Tensor
    td_error: tf.Tensor
    weight: tf.Tensor


class DDPG:
    """The learner: environment, networks and replay, and the compiled loop over them."""

    def __init__(
        self,
        config: DDPGConfig,
        environment: SessionEnvironment,
        user: np.ndarray,
        item: np.ndarray,
        seed: int,
        content: tuple[ItemEncoder, Sequence[Modality]] | None = None,
    ) -> None:
        """Allocate everything.

        Args:
            config: the agent's settings.
            environment: what it acts in.
            user: [U, D] frozen.
            item: [I, D], row 0 zero; frozen but for what `content` moves.
            seed: of all that is random.
            content: the encoder to be tuned, and what it encodes; None tunes none.
        """
        self.config = config
        self.environment = environment
        self.user = tf.constant(user, tf.float32)
        items, target_items = (
            TunedItemTable(item, *content) if content else ItemTable(item) for _ in range(2)
        )
        length, state_size = environment.config.episode_length, environment.state_size
        self.networks = build_networks(config, items, target_items, state_size, seed)
        self.replay = Replay.empty(config.memory_size, state_size, length, item.shape[1])
        self.iteration = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._seed = seed
        if config.form == "anchored":
            for critic in (self.networks.critic, self.networks.target_critic):
                critic.center.assign(environment.mean_logged(items.table()))
        first = environment.start(self._draw_users(0))
        self.sessions = LoggedState(*(tf.Variable(part, trainable=False) for part in first))
        self.learner = DDPGLearner(self.networks, self.replay, self.sessions, self.iteration)

    @tf.function(jit_compile=True)
    def run(self, iterations: tf.Tensor) -> Metrics:
        """Do `iterations [] int32` iterations: N steps and one update each; sums of metrics."""
        sums = Metrics(*(tf.constant(0.0) for _ in Metrics._fields))
        done = tf.constant(0)
        # Not over tf.range: XLA would compile again for each new number of iterations.
        while done < iterations:
            sums = Metrics(*(a + b for a, b in zip(sums, self._iterate(), strict=True)))
            done += 1
        return sums

    @property
    def steps(self) -> int:
        """Environment steps done, all sessions together."""
        return int(self.iteration) * self.config.num_envs

    def policy(self, user: np.ndarray, item: np.ndarray) -> Policy:
        """What has been learned, for deployed tables `user [U, D]` and `item [I, D]`."""
        item = self.networks.items.moved(item)
        return Policy(user, item, self.networks.state, self.networks.actor)

    def act(self, users: tf.Tensor, histories: tf.Tensor) -> tf.Tensor:
        """[N], [N, L] -> [N, D] the actor's action, without noise."""
        return self._act(users, histories, self.networks.items.table())

    def _act(self, users: tf.Tensor, histories: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        user = tf.gather(self.user, users)
        state = self.networks.state(user, tf.gather(items, histories))
        return self.networks.actor(state, user)

    def _iterate(self) -> Metrics:
        state = LoggedState(*(tf.convert_to_tensor(part) for part in self.sessions))
        items = self.networks.items.table()
        action = self._explore(self._act(state.user, state.history, items))  # [N, D]
        item = self._shown_by(action, items, state.user, state.shown)  # [N]
        moved, outcome = self.environment.step(state, item)
        discount = tf.where(outcome.terminal, 0.0, self.config.discount)
        self.replay.write(
            Transitions(
                user=state.user,
                history=state.history,
                action=action,
                item=item,
                reward=outcome.reward,
                discount=discount,
                next_history=outcome.next_history,
                next_shown=outcome.next_shown,
            )
        )
        learned = self._learn()
        restarted = self.environment.restart(moved, outcome.done, self._draw_users(1))
        for variable, value in zip(self.sessions, restarted, strict=True):
            variable.assign(value)
        self.iteration.assign_add(1)
        return learned._replace(reward=tf.reduce_mean(outcome.reward))

    def _learn(self) -> Metrics:
        nets, config = self.networks, self.config
        progress = self._progress()
        beta = config.per_beta + (1 - config.per_beta) * progress
        sample = self.replay.sample(config.batch_size, beta, self._stream(2))
        batch = sample.transitions
        user = tf.gather(self.user, batch.user)  # [B, D]
        target = self._target(batch, user)

        critic_weights = nets.state.trainable_variables + nets.critic.trainable_variables
        encoder_weights = nets.items.trainable_variables
        with tf.GradientTape(persistent=bool(encoder_weights)) as tape:
            items = nets.items.table()
            shown = tf.gather(items, batch.item)
            action = shown if config.critic_action == "item" else batch.action  # [B, D]
            state = nets.state(user, tf.gather(items, batch.history))
            q = nets.critic(state, user, action)
            loss = critic_loss(q, target, sample.weight)
            penalised = loss + config.critic_l2 * _kernel_penalty(critic_weights)
        self._descend(nets.critic_optimizer, tape, penalised, critic_weights)
        if encoder_weights:
            self._descend(nets.encoder_optimizer, tape, loss, encoder_weights)

        actor_weights = nets.actor.trainable_variables
        state = tf.stop_gradient(state)
        with tf.GradientTape() as tape:
            policy_loss = actor_loss(nets.critic(state, user, nets.actor(state, user)))
        self._descend(nets.actor_optimizer, tape, policy_loss, actor_weights)

        for online, copy in nets.target_pairs():
            copy.assign_add(config.tau * (online - copy))
        error = tf.abs(target - q)
        self.replay.update(sample.index, (error + 1e-3) ** config.per_alpha)
        return Metrics(
            reward=tf.constant(0.0),
            q=tf.reduce_mean(q),
            critic_loss=loss,
            actor_loss=policy_loss,
            td_error=tf.reduce_mean(error),
            weight=tf.reduce_mean(sample.weight),
        )

    def _target(self, batch: Transitions, user: tf.Tensor) -> tf.Tensor:
        """[B] what Q is drawn to."""
        if not self.config.discount:
            return batch.reward
        nets = self.networks
        items = nets.target_items.table()
        next_history = tf.gather(items, batch.next_history)  # [B, L, D]
        next_state = nets.target_state(user, next_history)
        next_action = self._as_trained(nets.target_actor(next_state, user), items, batch)
        next_q = nets.target_critic(next_state, user, next_action)
        return td_target(batch.reward, batch.discount, next_q)

    def _as_trained(self, action: tf.Tensor, items: tf.Tensor, batch: Transitions) -> tf.Tensor:
        """[B, D]: the action in the form that the critic is trained on.

        A critic that has only seen items' vectors extrapolates at any other, and bootstraps from
        what it extrapolates: so the next action is the item that the target actor would show.
        """
        if self.config.critic_action == "proto":
            return action
        return tf.gather(items, self._shown_by(action, items, batch.user, batch.next_shown))

    def _shown_by(
        self, action: tf.Tensor, items: tf.Tensor, user: tf.Tensor, shown: tf.Tensor
    ) -> tf.Tensor:
        """[B] int32: the available item of `items [I, D]` that action [B, D] scores highest."""
        scores = tf.matmul(action, items, transpose_b=True)  # [B, I]
        return self.environment.choose(scores, user, shown)

    def _descend(
        self,
        optimizer: keras.optimizers.Optimizer,
        tape: tf.GradientTape,
        loss: tf.Tensor,
        weights: list[keras.Variable],
    ) -> None:
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        if self.config.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.config.clip_norm)
        optimizer.apply(gradients)

    def _explore(self, action: tf.Tensor) -> tf.Tensor:
        """With probability ε add Gaussian noise, drawn for each row by itself."""
        noise = tf.random.stateless_normal(tf.shape(action), self._stream(3))
        chance = tf.random.stateless_uniform([tf.shape(action)[0], 1], self._stream(4))
        perturbed = chance < self.config.epsilon * (1 - self._progress())
        noisy = tf.clip_by_value(action + self.config.std * noise, -1, 1)
        return tf.where(perturbed, noisy, action)

    def _progress(self) -> tf.Tensor:
        """[] from 0 at the start to 1 after `epsilon_steps` environment steps."""
        steps = tf.cast(self.iteration * self.config.num_envs, tf.float32)
        return tf.minimum(steps / self.config.epsilon_steps, 1.0)

    def _draw_users(self, stream: int) -> tf.Tensor:
        return self.environment.draw_users(self.config.num_envs, self._stream(stream))

    def _stream(self, number: int) -> tf.Tensor:
        """[2] the seed of stream `number` at this iteration: no state but the counter."""
        return tf.stack([tf.constant(self._seed, tf.int64), self.iteration * 8 + number])


def _kernel_penalty(weights: list[keras.Variable]) -> tf.Tensor:
    return tf.add_n([tf.nn.l2_loss(w.value) for w in weights if len(w.shape) > 1] or [0.0])
