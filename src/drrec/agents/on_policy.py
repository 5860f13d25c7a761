"""Common base of PPO and A2C: a softmax policy over the available items, trained on rollouts.

The policy is π(i | s) = softmax(κ i·a) with a = μ(s), the output of the same actor as DDPG's, and
a learned inverse temperature κ. Inference recommends the most probable items, which are those with
the highest i·a, whatever κ.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, ClassVar

import tensorflow as tf

from drrec.agents.config import OnPolicyConfig
from drrec.agents.retrieval import ClusterIndex
from drrec.agents.rollouts import (
    OnPolicyLearner,
    PolicyMetrics,
    PolicyNetworks,
    Steps,
    TrainingBatch,
    policy_networks,
)
from drrec.agents.rounds import SteppedAgent
from drrec.agents.sampling import NUM_NEAR, SAMPLED_FROM, Chances, ItemSampler
from drrec.agents.streams import Stream
from drrec.nn.histories import described
from drrec.nn.losses import clipped_value_loss, entropy_of, generalised_advantages

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from drrec.agents.items import ItemTable
    from drrec.envs.base import LoggedState


class OnPolicy(SteppedAgent):
    """On-policy training on rollouts of `horizon` steps of each session."""

    Config = OnPolicyConfig
    config: OnPolicyConfig
    networks: PolicyNetworks
    metrics: Any = PolicyMetrics
    lag: ClassVar[int | None] = 0  # what is learned from has to be the policy's own
    streams = SteppedAgent.streams | {Stream.GUMBEL, Stream.CANDIDATES}
    _sampler: ItemSampler | None = None

    def _new_index(self, item: np.ndarray) -> ClusterIndex | None:
        """Of the catalogue, where the softmax over it is estimated."""
        environment, asked = self.environment, self.config.softmax
        self._sampler, index = None, None
        if asked == "sampled" or (asked == "auto" and len(item) >= SAMPLED_FROM):
            if environment.offers is None:
                index = ClusterIndex(item, environment.is_showable(), NUM_NEAR, self.seed)
            self._sampler = ItemSampler(environment, index, self.config.num_drawn)
        return index

    def _build(self, new_table: Callable[[], ItemTable]) -> None:
        size = self.environment.state_size
        self.networks = policy_networks(self.config, new_table(), size, self.seed)

    @property
    def learner(self) -> OnPolicyLearner:
        """All state of training."""
        return OnPolicyLearner(self.networks, self.sessions, self.iteration)

    @property
    def steps_each(self) -> int:
        """Steps that every session takes in an iteration."""
        return self.config.horizon

    @property
    @abc.abstractmethod
    def trace_decay(self) -> float:
        """λ of generalised advantage estimation."""

    @property
    @abc.abstractmethod
    def value_clip(self) -> float:
        """Clipping range of the value update; 0 is no clipping."""

    @abc.abstractmethod
    def _study(self, steps: Steps, batch: TrainingBatch) -> PolicyMetrics:
        """Update on the B steps of a rollout, once or several times."""

    @abc.abstractmethod
    def _policy_loss(self, log_prob: tf.Tensor, batch: TrainingBatch) -> tf.Tensor:
        """[] what the probabilities of the items shown, log π [B], are to lose."""

    def _iterate(self) -> Any:
        return self._learned(self.played_round())

    def learned_round(self, steps: Steps) -> Any:
        """Learn from steps [H, N, …] that others have played; means of the metrics."""
        self.iteration.assign_add(self.config.horizon)
        return self._learned(steps)

    def _learned(self, steps: Steps) -> Any:
        batch = self._training_batch(steps)
        flat = Steps(*(_flat(column) for column in steps))
        learned = self._study(flat, TrainingBatch(*(_flat(column) for column in batch)))
        return learned._replace(reward=tf.reduce_mean(steps.reward))

    def step_like(self) -> Steps:
        """[N, …] what a step looks like."""
        now = self.sessions
        number, flag = tf.TensorSpec(now.user.shape), tf.TensorSpec(now.user.shape, tf.bool)
        return Steps(
            user=now.user,
            history=now.history,
            shown=now.shown,
            item=now.user,
            reward=number,
            next_history=now.history,
            terminal=flag,
            done=flag,
            candidates=tf.TensorSpec(
                [*now.user.shape, self._sampler.width if self._sampler else 1], tf.int32
            ),
        )

    def _step(self) -> Steps:
        state = self._state()
        items = self.networks.items.table()
        action = self._act(state.user, state.history, items)
        item, candidates = self._shown_and_candidates(action, items, state)
        outcome = self._play(state, item)
        return Steps(
            user=state.user,
            history=state.history,
            shown=state.shown,
            item=item,
            reward=outcome.reward,
            next_history=outcome.next_history,
            terminal=outcome.terminal,
            done=outcome.done,
            candidates=candidates,
        )

    def _shown_and_candidates(
        self, action: tf.Tensor, items: tf.Tensor, state: LoggedState
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """[N] int32 items drawn from the softmax, and [N, C] what it was estimated from."""
        sharpened = self.networks.inverse_temperature
        seed = self._stream(Stream.GUMBEL)
        if self._sampler is None:
            scores = sharpened(tf.matmul(action, items, transpose_b=True))  # [N, I]
            noisy = scores + _gumbel(tf.shape(scores), seed)
            item = self.environment.choose(noisy, state.user, state.shown)
            return item, item[:, None]
        draw = self._stream(Stream.CANDIDATES)
        candidates = self._sampler.drawn(action, items, state.user, state.shown, draw)
        scores = sharpened(_products(action, items, candidates))  # [N, C]
        logits = self._sampler.logits(scores, candidates)
        place = tf.argmax(logits + _gumbel(tf.shape(logits), seed), axis=1, output_type=tf.int32)
        return tf.gather(candidates, place, batch_dims=1), candidates

    def _training_batch(self, steps: Steps) -> TrainingBatch:
        """[H, N] each."""
        shape = tf.shape(steps.item)
        flat = Steps(*(_flat(column) for column in steps))
        value, (log_prob, _) = self._weighed(flat)
        next_value = self._value(flat.user, flat.next_history)
        rest = tf.where(flat.terminal, 0.0, self.config.discount)
        delta = flat.reward + rest * next_value - value
        kept = tf.where(flat.done, 0.0, self.config.discount * self.trace_decay)
        advantage = generalised_advantages(tf.reshape(delta, shape), tf.reshape(kept, shape))
        value, log_prob = tf.reshape(value, shape), tf.reshape(log_prob, shape)
        return TrainingBatch(log_prob, value, advantage, advantage + value)

    def _weighed(self, steps: Steps) -> tuple[tf.Tensor, Chances]:
        """Values [B], and what the policy says of the items that B steps have shown."""
        if self._sampler is None:
            value, logits = self._judge(steps.user, steps.history, steps.shown)
            return value, Chances(log_prob_of(logits, steps.item), entropy_of(logits))
        nets = self.networks
        items, user = nets.items.table(), tf.gather(self.user, steps.user)
        state = nets.state(user, described(items, steps.history))
        action = nets.actor(state, user)

        def score(chosen: tf.Tensor) -> tf.Tensor:
            return nets.inverse_temperature(_products(action, items, chosen))

        return nets.value(state), self._sampler.chances(score, steps.item, steps.candidates)

    def _judge(
        self, user: tf.Tensor, history: tf.Tensor, shown: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Values [B], and logits [B, I], −inf for what may not be shown."""
        nets = self.networks
        items = nets.items.table()
        vector = tf.gather(self.user, user)
        state = nets.state(vector, described(items, history))
        scores = tf.matmul(nets.actor(state, vector), items, transpose_b=True)
        available = self.environment.available(user, shown)
        return nets.value(state), tf.where(
            available, nets.inverse_temperature(scores), -float("inf")
        )

    def _value(self, user: tf.Tensor, history: tf.Tensor) -> tf.Tensor:
        nets = self.networks
        state = nets.state(tf.gather(self.user, user), described(nets.items.table(), history))
        return nets.value(state)

    def _update(self, steps: Steps, batch: TrainingBatch) -> PolicyMetrics:
        """One step by all that learns; `reward` is left at 0."""
        settings = self.config
        with tf.GradientTape(persistent=True) as tape:
            value, chances = self._weighed(steps)
            actor = self._policy_loss(chances.log_prob, batch)
            critic = clipped_value_loss(value, batch.value, batch.target, self.value_clip)
            entropy = tf.reduce_mean(chances.entropy)
            loss = actor + settings.value_weight * critic - settings.entropy * entropy
        self._apply(tape, loss)
        return PolicyMetrics(
            reward=tf.constant(0.0),
            value=tf.reduce_mean(value),
            critic_loss=critic,
            actor_loss=actor,
            entropy=entropy,
            inverse_temperature=self.networks.inverse_temperature.factor(),
        )

    def _apply(self, tape: tf.GradientTape, loss: tf.Tensor) -> None:
        """One step down `loss`, by all that learns: both losses train the state module."""
        nets = self.networks
        groups = [
            (nets.actor_optimizer, (nets.actor, nets.inverse_temperature)),
            (nets.critic_optimizer, (nets.state, nets.value)),
            (nets.encoder_optimizer, (nets.items,)),
        ]
        for optimizer, parts in groups:
            weights = [weight for part in parts for weight in part.trainable_variables]
            if weights:
                self._descend(optimizer, tape, loss, weights)


def log_prob_of(logits: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
    """[B] log π(item) of softmax over `logits [B, I]`."""
    return tf.gather(tf.nn.log_softmax(logits), item, batch_dims=1)


def _products(action: tf.Tensor, items: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """[B, D], [I, D], [B, C] -> [B, C] dot products."""
    return tf.einsum("bd,bcd->bc", action, tf.gather(items, chosen))


def _gumbel(shape: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """The largest of scores with this noise is a draw from their softmax."""
    return -tf.math.log(-tf.math.log(tf.random.stateless_uniform(shape, seed, 1e-7, 1)))


def _flat(column: tf.Tensor) -> tf.Tensor:
    return tf.reshape(column, [-1, *column.shape[2:]])  # [H, N, …] -> [B, …]
