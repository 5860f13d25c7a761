"""DDPG over logged sessions, compiled whole (Lillicrap et al. 2016; Liu et al. 2018, algorithm 1).

The critic's loss trains the state module, and the item encoder where that is tuned; the actor's
loss reaches neither.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from drrec.agents.base import Metrics
from drrec.agents.config import DDPGConfig
from drrec.agents.ddpg_networks import DDPGNetworks, build_networks
from drrec.agents.replay import Replay, Sample
from drrec.agents.rounds import SteppedAgent
from drrec.agents.streams import Stream
from drrec.envs.base import LoggedState
from drrec.nn.histories import described
from drrec.nn.losses import actor_loss, critic_loss, td_target
from drrec.types import Transitions

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras

    from drrec.agents.items import ItemTable


_ROUND = 512
"""Environment steps that others play at a time."""


@dataclasses.dataclass(frozen=True, eq=False)
class DDPGLearner:
    """All state of training; the content of a checkpoint is derived from these fields."""

    networks: DDPGNetworks
    replay: Replay
    sessions: LoggedState  # of tf.Variable
    iteration: tf.Variable  # [] int64, also the counter of all random streams


class DDPG(SteppedAgent):
    """Deep deterministic policy gradient with the state modules of DRR (Liu et al. 2018).

    Constructor arguments are the settings, by the names of the flags of `drrec train`.

    Examples:
        >>> import drrec, pandas as pd
        >>> log = [(u, i, 1 + (u * i) % 5) for u in range(4) for i in range(12) if (u, i) != (0, 3)]
        >>> data = drrec.Dataset.from_pandas(pd.DataFrame(log, columns=["user", "item", "rating"]))
        >>> agent = drrec.DDPG(embedding="variational", batch_size=32, seed=0)
        >>> agent.fit(data, steps=32).recommend(["0"])["item"].tolist()
        ['3']
    """

    Config = DDPGConfig
    config: DDPGConfig
    networks: DDPGNetworks
    num_critics = 1
    lag = 1
    streams = SteppedAgent.streams | {Stream.REPLAY, Stream.NOISE, Stream.CHANCE}

    def _build(self, new_table: Callable[[], ItemTable]) -> None:
        config, environment = self.config, self.environment
        tables = new_table(), new_table()
        length, state_size = environment.config.episode_length, environment.state_size
        self.networks = self._new_networks(tables, state_size)
        vectors = tables[0].table()
        dim, history_type = vectors.shape[1], self.sessions.history.dtype
        capacity = self.shard.size(config.memory_size)
        self.replay = Replay.empty(capacity, state_size, length, dim, history_type)
        if config.form == "anchored":
            center = environment.mean_logged(vectors)
            for critic in (*self.networks.critics(), *self.networks.target_critics()):
                critic.center.assign(center)

    def _new_networks(self, tables: tuple[ItemTable, ItemTable], state_size: int) -> Any:
        return build_networks(self.config, *tables, state_size, self.seed, self.num_critics)

    @property
    def learner(self) -> DDPGLearner:
        """All state of training."""
        return DDPGLearner(self.networks, self.replay, self.sessions, self.iteration)

    def _iterate(self) -> Metrics:
        return self._learned(self._step())

    @property
    def steps_a_round(self) -> int:
        """H, steps of every session that others play at a time."""
        return max(_ROUND // self.config.num_envs, 1)

    def step_like(self) -> Transitions:
        """[N, …] N transitions as the replay keeps them."""
        count = self.shard.size(self.config.num_envs)
        columns = self.replay.columns
        return Transitions(*(tf.TensorSpec([count, *c.shape[1:]], c.dtype) for c in columns))

    def learned_round(self, steps: Transitions) -> Metrics:
        """Learn from steps [H, N, …] that others have played; means of the metrics."""
        sums = self.metrics(*(tf.constant(0.0) for _ in self.metrics._fields))
        length = steps.item.shape[0]
        place = tf.constant(0)
        while place < length:
            learned = self._learned(Transitions(*(tf.gather(column, place) for column in steps)))
            sums = self.metrics(*(a + b / length for a, b in zip(sums, learned, strict=True)))
            place += 1
        return sums

    def _step(self) -> Transitions:
        state = self._state()
        items = self.networks.items.table()
        action = self._behaviour(state, items)  # [N, D]
        item = self._shown_by(action, items, state.user, state.shown)  # [N]
        outcome = self._play(state, item)
        discount = tf.where(outcome.terminal, 0.0, self.config.discount)
        return Transitions(
            user=state.user,
            history=state.history,
            action=action,
            item=item,
            reward=outcome.reward,
            discount=discount,
            next_history=outcome.next_history,
            next_shown=outcome.next_shown,
        )

    def _learned(self, steps: Transitions) -> Metrics:
        """Keep N transitions and make one update."""
        self.replay.write(steps)
        learned = self._learn()
        self.iteration.assign_add(1)
        return learned._replace(reward=tf.reduce_mean(steps.reward))

    def _learn(self) -> Metrics:
        config = self.config
        beta = config.per_beta + (1 - config.per_beta) * self._progress()
        size = self.shard.size(config.batch_size)
        sample = self.replay.sample(size, beta, self._stream(Stream.REPLAY))
        batch = sample.transitions
        user = tf.gather(self.user, batch.user)  # [B, D]
        target = self._target(batch, user)
        state, q, loss = self._update_critic(sample, user, target)
        learned = self._update_actor(tf.stop_gradient(state), user, batch)
        error = tf.abs(target - q)
        self.replay.update(sample.index, (error + 1e-3) ** config.per_alpha)
        return self.metrics(
            reward=tf.constant(0.0),
            q=tf.reduce_mean(q),
            critic_loss=loss,
            td_error=tf.reduce_mean(error),
            weight=tf.reduce_mean(sample.weight),
            **learned,
        )

    def _update_critic(
        self, sample: Sample, user: tf.Tensor, target: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Fit the critics to TD targets [B]: states [B, S], Q [B] of the first, the loss []."""
        nets, config, batch = self.networks, self.config, sample.transitions
        critics = nets.critics()
        weights = [w for part in (nets.state, *critics) for w in part.trainable_variables]
        encoder_weights = nets.items.trainable_variables
        with tf.GradientTape(persistent=bool(encoder_weights)) as tape:
            items = nets.items.table()
            shown = tf.gather(items, batch.item)
            action = shown if config.critic_action == "item" else batch.action  # [B, D]
            state = nets.state(user, described(items, batch.history))
            values = [critic(state, user, action) for critic in critics]
            loss = tf.add_n([critic_loss(q, target, sample.weight) for q in values])
            penalised = loss + config.critic_l2 * _kernel_penalty(weights)
        self._descend(nets.critic_optimizer, tape, penalised, weights)
        if encoder_weights:
            self._descend(nets.encoder_optimizer, tape, loss, encoder_weights)
        return state, values[0], loss

    def _update_actor(
        self, state: tf.Tensor, user: tf.Tensor, batch: Transitions
    ) -> dict[str, tf.Tensor]:
        """Update the actor on the critic, then the target networks; metrics [] by name."""
        nets = self.networks
        weights = nets.actor.trainable_variables
        with tf.GradientTape() as tape:
            loss = self._actor_loss(state, user, batch)
        self._descend(nets.actor_optimizer, tape, loss, weights)
        self._sync_targets()
        return {"actor_loss": loss}

    def _sync_targets(self) -> None:
        for online, copy in self.networks.target_pairs():
            copy.assign_add(self.config.tau * (online - copy))

    def _actor_loss(self, state: tf.Tensor, user: tf.Tensor, batch: Transitions) -> tf.Tensor:
        nets = self.networks
        return actor_loss(nets.critic(state, user, nets.actor(state, user)))

    def _target(self, batch: Transitions, user: tf.Tensor) -> tf.Tensor:
        """TD targets [B]."""
        if not self.config.discount:
            return batch.reward
        nets = self.networks
        items = nets.target_items.table()
        next_state = nets.target_state(user, described(items, batch.next_history))
        proto = self._next_proto(nets.target_actor(next_state, user))
        next_action = self._as_trained(proto, items, batch)
        next_q = least_value(nets.target_critics(), next_state, user, next_action)
        return td_target(batch.reward, batch.discount, next_q)

    def _next_proto(self, action: tf.Tensor) -> tf.Tensor:
        """[B, D] the target actor's `action [B, D]`; a hook for target policy smoothing."""
        return action

    def _as_trained(self, action: tf.Tensor, items: tf.Tensor, batch: Transitions) -> tf.Tensor:
        """[B, D]: the action in the form that the critic is trained on.

        A critic that has only seen items' vectors extrapolates at any other, and bootstraps from
        what it extrapolates: so the next action is the item that the target actor would show.
        """
        if self.config.critic_action == "proto":
            return action
        return tf.gather(items, self._shown_by(action, items, batch.user, batch.next_shown))

    def _behaviour(self, state: LoggedState, items: tf.Tensor) -> tf.Tensor:
        """[N, D] actions of the behaviour policy."""
        return self._explore(self._act(state.user, state.history, items))

    def _explore(self, action: tf.Tensor) -> tf.Tensor:
        """Add Gaussian noise with probability ε, independently for each row."""
        noise = tf.random.stateless_normal(tf.shape(action), self._stream(Stream.NOISE))
        chance = tf.random.stateless_uniform([tf.shape(action)[0], 1], self._stream(Stream.CHANCE))
        perturbed = chance < self.config.epsilon * (1 - self._progress())
        noisy = tf.clip_by_value(action + self.config.std * noise, -1, 1)
        return tf.where(perturbed, noisy, action)

    def _progress(self) -> tf.Tensor:
        """[] from 0 at the start to 1 after `epsilon_steps` environment steps."""
        steps = tf.cast(self.iteration * self.config.num_envs, tf.float32)
        return tf.minimum(steps / self.config.epsilon_steps, 1.0)


def least_value(
    critics: list[keras.layers.Layer], state: tf.Tensor, user: tf.Tensor, action: tf.Tensor
) -> tf.Tensor:
    """[B] the minimum of the critics' Q(s, a)."""
    return functools.reduce(tf.minimum, [critic(state, user, action) for critic in critics])


def _kernel_penalty(weights: list[keras.Variable]) -> tf.Tensor:
    return tf.add_n([tf.nn.l2_loss(w.value) for w in weights if len(w.shape) > 1] or [0.0])
