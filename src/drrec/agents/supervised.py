"""A supervised actor-critic: reads the log in its order, and reinforces what it has read.

A transformer, the reader, makes E coordinates of a user from all that was rated so far. They stand
beside those of matrix factorisation, so that i·z is the sum of what both say; cross-entropy trains
the reader, the items' learned coordinates and the factorisation's weight. Actor and critic start
from there: the actor learns what to add, by cross-entropy that counts by the critic's advantage
(after Xin et al. 2020 and 2022). Both their losses train the state module, neither the reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from drrec.agents.items import GrownItemTable, item_table
from drrec.agents.losses import actor_loss, critic_loss, td_target
from drrec.agents.player import Player
from drrec.agents.policy import Policy
from drrec.agents.questions import Answer, liked_among_rated, next_of_all, question_at
from drrec.agents.stretches import Stretch, Stretches
from drrec.agents.supervised_networks import (
    SupervisedLearner,
    SupervisedMetrics,
    SupervisedNetworks,
    supervised_networks,
)
from drrec.envs.base import LoggedState, SessionEnvironment
from drrec.types import PADDING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from drrec.agents.config import AgentConfig
    from drrec.features.store import Modality
    from drrec.models.item_encoder import ItemEncoder

MOST_WEIGHT = 5.0
"""What a position counts at most, however good the critic finds what was rated there."""

_USERS_AT_ONCE = 1024


class Supervised(Player):
    """The learner: networks, the log in stretches, and the compiled loop over them."""

    networks: SupervisedNetworks
    metrics = SupervisedMetrics

    def __init__(
        self,
        config: AgentConfig,
        environment: SessionEnvironment,
        user: np.ndarray,
        item: np.ndarray,
        seed: int,
        content: tuple[ItemEncoder, Sequence[Modality]] | None = None,
    ) -> None:
        """Allocate everything; the arguments are DDPG's."""
        super().__init__(config, environment, user, seed)
        own, log = config.supervised, environment.log
        items = GrownItemTable(item_table(item, content), own.reader_width, seed)
        self.networks = supervised_networks(config, items, environment.state_size, seed)
        self.stretches = Stretches(log, environment.is_new(), own.window, environment.state_size)
        if config.form == "anchored":
            for critic in (self.networks.critic, self.networks.target_critic):
                critic.center.assign(environment.mean_logged(items.table()))

    @property
    def learner(self) -> SupervisedLearner:
        """All state of training."""
        return SupervisedLearner(self.networks, self.sessions, self.iteration)

    @property
    def steps_each(self) -> int:
        """Positions of a stretch, each of which is a step that a session once took."""
        return self.config.supervised.window

    def policy(self, user: np.ndarray, item: np.ndarray) -> Policy:
        """What has been learned, for deployed tables `user [U, D]` and `item [I, D]`."""
        nets = self.networks
        latest = self.stretches.latest()  # [U, W]
        parts = []
        for first in range(0, len(user), _USERS_AT_ONCE):
            rows = slice(first, first + _USERS_AT_ONCE)
            read = self._read(tf.constant(latest[rows]), training=False)[:, -1]
            parts.append(self._known(tf.constant(user[rows], tf.float32), read))
        known = tf.concat(parts, axis=0).numpy()
        return Policy(known, nets.items.moved(item), nets.state, nets.actor)

    def _iterate(self) -> SupervisedMetrics:
        stretch = self.stretches.draw(self.config.num_envs, self._stream(1))
        reading_loss = self._learn_to_read(stretch)
        learned = self._reinforce(stretch)
        self.iteration.assign_add(self.steps_each)
        return learned._replace(reading_loss=reading_loss, gain=self.networks.gain.factor())

    def _learn_to_read(self, stretch: Stretch) -> tf.Tensor:
        """One step on the cross-entropy of all positions of N stretches; the loss []."""
        nets = self.networks
        parts = (nets.items, nets.reader, nets.gain)
        asked = question_at(stretch, _places(stretch.item))
        counts = tf.cast(asked.item != PADDING, tf.float32)  # [N W]
        with tf.GradientTape() as tape:
            read = self._read(stretch.before, training=True)  # [N, W, E]
            # Vectors that have seen the answer would have it trusted too much.
            factors = tf.gather(self.user, stretch.user)[:, None]  # [N, 1, D]
            factors = tf.where(stretch.is_new[:, :, None], factors, 0.0)
            known = self._known(factors, read)  # [N, W, D + E]
            items = nets.items.table()
            loss = self._answer(tf.reshape(known, [-1, known.shape[2]]), asked, items).loss
            mean = tf.reduce_sum(loss * counts) / tf.reduce_sum(counts)
        weights = [weight for part in parts for weight in part.trainable_variables]
        self._descend(nets.reader_optimizer, tape, mean, weights)
        return mean

    def _reinforce(self, stretch: Stretch) -> SupervisedMetrics:
        """One step of actor and critic on `batch_size` positions that the vectors have not seen."""
        nets, config, own = self.networks, self.config, self.config.supervised
        items = tf.stop_gradient(nets.items.table())
        place, is_any = self._draw_places(stretch)
        factors, known = self._as_in_a_session(stretch, place)
        row = tf.gather_nd(stretch.row, place)
        history = tf.gather(items, self.stretches.liked_before(row))  # [B, L, D + E]
        action = tf.gather(items, tf.gather_nd(stretch.item, place))
        reward = self._paid(stretch, place)
        target = self._target(stretch, place, reward, (factors, known))
        counts = tf.fill(tf.shape(reward), is_any)
        asked = question_at(stretch, place)
        with tf.GradientTape(persistent=True) as tape:
            state = nets.state(known, history)
            q = nets.critic(state, factors, action)
            value_loss = critic_loss(q, target, counts)
            acted = nets.actor(state, known)
            sharp = tf.norm(known, axis=1, keepdims=True) * acted
            answer = self._answer(sharp, asked, items)
            weight = self._weight(state, factors, answer)
            cloning = own.imitation * tf.reduce_mean(counts * weight * answer.loss)
            both = value_loss + cloning
            ascent = actor_loss(counts * nets.critic(tf.stop_gradient(state), factors, acted))
            acting = cloning + own.ascent * self._is_warm() * ascent
        judging = [*nets.state.trainable_variables, *nets.critic.trainable_variables]
        self._descend(nets.critic_optimizer, tape, both, judging)
        self._descend(nets.actor_optimizer, tape, acting, nets.actor.trainable_variables)
        for online, copy in nets.target_pairs():
            copy.assign_add(config.tau * (online - copy))
        return SupervisedMetrics(
            reward=tf.reduce_mean(reward),
            reading_loss=tf.constant(0.0),
            actor_loss=acting,
            critic_loss=value_loss,
            q=tf.reduce_mean(q),
            weight=tf.reduce_mean(weight),
            gain=nets.gain.factor(),
        )

    def _paid(self, stretch: Stretch, place: tf.Tensor) -> tf.Tensor:
        """[B] what the log's item pays at each place."""
        pleased, item = (tf.gather_nd(part, place) for part in (stretch.reward, stretch.item))
        rewards = self.environment.rewards
        if not rewards:
            return pleased
        history = self.stretches.liked_before(tf.gather_nd(stretch.row, place))
        user = tf.gather(stretch.user, place[:, 0])
        nothing = tf.fill([tf.shape(user)[0], self.environment.config.episode_length], PADDING)
        state = LoggedState(user, tf.zeros_like(user), history, nothing)
        terms = rewards.terms(state, item, pleased)
        for name, term in terms.items():
            self._terms[name].assign_add(self.steps_each * tf.reduce_mean(term))
        return rewards.total(terms)

    def _target(
        self,
        stretch: Stretch,
        place: tf.Tensor,
        reward: tf.Tensor,
        users: tuple[tf.Tensor, tf.Tensor],
    ) -> tf.Tensor:
        """[B] r + γ Q′(s′, i′), i′ being what the log shows next: of no other is its pay known."""
        if not self.config.discount:
            return reward
        factors, known = users
        nets, items = self.networks, self.networks.items.table()
        after = place + tf.constant([0, 1])
        history = tf.gather(items, self.stretches.liked_before(tf.gather_nd(stretch.row, after)))
        action = tf.gather(items, tf.gather_nd(stretch.item, after))
        next_q = nets.target_critic(nets.target_state(known, history), factors, action)
        return td_target(reward, tf.fill(tf.shape(reward), self.config.discount), next_q)

    def _weight(self, state: tf.Tensor, factors: tf.Tensor, answer: Answer) -> tf.Tensor:
        """[B] exp(trust · A), A how much better what the log tells is than what the actor shows."""
        critic = self.networks.critic
        told, shown = (critic(state, factors, mean) for mean in (answer.told, answer.shown))
        advantage = self.config.supervised.trust * self._is_warm() * (told - shown)
        return tf.stop_gradient(tf.minimum(tf.exp(advantage), MOST_WEIGHT))

    def _is_warm(self) -> tf.Tensor:
        steps = self.iteration * self.config.num_envs
        return tf.cast(steps >= self.config.supervised.warm_up, tf.float32)

    def _answer(self, vector: tf.Tensor, asked: Any, items: tf.Tensor) -> Answer:
        """Of vectors [B, D + E], among what the environment would show."""
        scores = tf.matmul(vector, items, transpose_b=True)  # [B, I]
        among_rated = self.environment.config.unlogged == "never"
        return (liked_among_rated if among_rated else next_of_all)(scores, asked, items)

    def _draw_places(self, stretch: Stretch) -> tuple[tf.Tensor, tf.Tensor]:
        """[B, 2] new rows: which stretch, and where, never last; [] 0 if there is none, else 1."""
        width = self.stretches.length - 1
        is_new = tf.cast(tf.reshape(stretch.is_new[:, :-1], [-1]), tf.int32)
        total = tf.reduce_sum(is_new)
        chance = tf.random.stateless_uniform([self.config.batch_size], self._stream(2))
        number = tf.cast(chance * tf.cast(total, tf.float32), tf.int32)  # 0 for the first new row
        number = tf.minimum(number, total - 1)
        flat = tf.searchsorted(tf.cumsum(is_new), number + 1)
        flat = tf.minimum(flat, len(is_new) - 1)
        return tf.stack([flat // width, flat % width], axis=1), tf.cast(total > 0, tf.float32)

    def _as_in_a_session(self, stretch: Stretch, place: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """[B, D + E] users by factorisation alone, and as they were known a few rows before."""
        lag = tf.random.stateless_uniform(
            [tf.shape(place)[0]], self._stream(3), 0, self.config.supervised.lag + 1, tf.int32
        )
        number, column = place[:, 0], tf.maximum(place[:, 1] - lag, 0)
        read = self._read(stretch.before, training=False)  # [N, W, E]
        read = tf.gather_nd(read, tf.stack([number, column], axis=1))
        user = tf.gather(self.user, tf.gather(stretch.user, number))
        known = tf.stop_gradient(self._known(user, read))
        return tf.concat([user, tf.zeros_like(read)], axis=1), known

    def _read(self, sequence: tf.Tensor, training: bool) -> tf.Tensor:
        """[N, W] items -> [N, W, E] what is known of the user after each."""
        nets = self.networks
        vectors = tf.gather(nets.items.grown(), sequence)
        return nets.reader(vectors, sequence != PADDING, training=training)

    def _known(self, factors: tf.Tensor, read: tf.Tensor) -> tf.Tensor:
        """[…, D], […, E] -> […, D + E]."""
        factors = tf.broadcast_to(factors, [*tf.unstack(tf.shape(read))[:-1], factors.shape[-1]])
        return tf.concat([self.networks.gain(factors), read], axis=-1)

    def _act(self, users: tf.Tensor, histories: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        nets = self.networks
        latest = tf.gather(self.stretches.latest(), users)
        known = self._known(tf.gather(self.user, users), self._read(latest, training=False)[:, -1])
        return nets.actor(nets.state(known, tf.gather(items, histories)), known)


def _places(table: tf.Tensor) -> tf.Tensor:
    """[N W, 2] every place of a table [N, W]."""
    number, column = tf.meshgrid(*(tf.range(size) for size in table.shape), indexing="ij")
    return tf.stack([tf.reshape(number, [-1]), tf.reshape(column, [-1])], axis=1)
