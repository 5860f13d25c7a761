"""Supervised actor-critic: next-item prediction on the log, and PPO on sessions.

A transformer, the sequence encoder, computes E coordinates of a user from all rated items so far.
They are concatenated with those of matrix factorisation, so that i·z is the sum of both scores.
Cross-entropy trains the encoder, the items' E coordinates and the weight of the factorisation
(after Xin et al. 2020 and 2022). Actor and critic are PPO's; the actor learns a residual to z.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from drrec.agents.config import SupervisedConfig
from drrec.agents.policy import Policy
from drrec.agents.ppo import PPO
from drrec.agents.queries import liked_among, liked_among_rated, next_of_all, next_of_sample
from drrec.agents.rollouts import PolicyMetrics
from drrec.agents.streams import Stream
from drrec.agents.supervised_networks import (
    SupervisedLearner,
    SupervisedMetrics,
    SupervisedNetworks,
    supervised_networks,
)
from drrec.agents.windows import Windows, WindowSampler
from drrec.nn.sequence import follow
from drrec.types import PADDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.agents.items import ItemTable

REFRESHED_AT_ONCE = 256
"""Users whose vectors are recomputed in an iteration, round-robin."""


class Supervised(PPO):
    """Supervised actor-critic (after Xin et al. 2020): PPO with a sequence encoder of the log.

    Examples:
        >>> import drrec
        >>> agent = drrec.Supervised(sequence_layers=1, warm_up=10_000)
        >>> agent.config.sequence_layers, agent.config.window
        (1, 50)
    """

    Config = SupervisedConfig
    config: SupervisedConfig
    networks: SupervisedNetworks
    lag = None  # most of the time goes into reading the log
    streams = PPO.streams | {Stream.WINDOWS, Stream.NEGATIVES}

    def _build(self, new_table: Callable[[], ItemTable]) -> None:
        own, environment = self.config, self.environment
        size = environment.state_size
        self.networks = supervised_networks(self.config, new_table(), size, self.seed)
        log, is_new = environment.log, environment.is_new()
        self.windows = WindowSampler(log, is_new, own.window)
        self._latest = log.histories(own.window)  # [U, W]
        self._before = tf.constant(log.where(~is_new).histories(own.window))  # [U, W]
        self._factors = self.user  # [U, D]
        self.user = tf.Variable(tf.pad(self._factors, [[0, 0], [0, own.sequence_width]]))
        self.went_on()

    def went_on(self) -> None:
        """Recompute all users' vectors."""
        for first in range(0, len(self._before), REFRESHED_AT_ONCE):
            self._refresh_users(tf.constant(first))

    @property
    def learner(self) -> SupervisedLearner:
        """All state of training."""
        return SupervisedLearner(self.networks, self.sessions, self.iteration, self.user)

    def policy(self, user: np.ndarray, item: np.ndarray) -> Policy:
        """The trained policy over final embeddings `user [U, D]` and `item [I, D]`."""
        nets, user = self.networks, self._padded(user)
        parts = [
            self._vectors(
                tf.constant(user[first : first + REFRESHED_AT_ONCE], tf.float32),
                tf.constant(self._latest[first : first + REFRESHED_AT_ONCE]),
            )
            for first in range(0, len(user), REFRESHED_AT_ONCE)
        ]
        known = tf.concat(parts, axis=0).numpy()
        moved = nets.items.moved(item)
        return Policy(known, moved, nets.state, nets.actor, reads_rewards=self.reads_rewards)

    def _run(self, iterations: tf.Tensor) -> SupervisedMetrics:
        # Compiled apart: in one program with playing, XLA's reading takes five times as long.
        names = SupervisedMetrics._fields
        sums = SupervisedMetrics(*(tf.constant(0.0) for _ in names))
        for _ in range(int(iterations)):
            loss = self._read()
            is_warm = self.steps >= self.config.warm_up
            played = super()._run(tf.constant(1)) if is_warm else self._rest()
            read = {"sequence_loss": loss, "gain": self.networks.gain.factor()}
            now = SupervisedMetrics(**played._asdict(), **read)
            sums = SupervisedMetrics(*(a + b for a, b in zip(sums, now, strict=True)))
        return sums

    def _rest(self) -> PolicyMetrics:
        """Advance the counter by the steps of a rollout."""
        self.iteration.assign_add(self.steps_each)
        return PolicyMetrics(*(tf.constant(0.0) for _ in PolicyMetrics._fields))

    @tf.function(jit_compile=True)
    def _read(self) -> tf.Tensor:
        """Update on training windows, and recompute some users' vectors; the loss []."""
        seed = self._stream(Stream.WINDOWS)
        negatives = self._negatives()
        windows = self.windows.draw(self.config.windows, seed, negatives)
        loss = self._update_sequence(windows, negatives)
        turn = tf.cast(self.iteration // self.steps_each, tf.int32)
        self._refresh_users(turn * REFRESHED_AT_ONCE)
        return loss

    def _negatives(self) -> tf.Tensor | None:
        """[M] int32 items that the next one is told apart from; None: all, of a small catalogue."""
        if self._sampler is None:
            return None
        size, seed = [self.config.num_drawn], self._stream(Stream.NEGATIVES)
        return tf.random.stateless_uniform(size, seed, 1, self.windows.num_items, tf.int32)

    def _update_sequence(self, windows: Windows, negatives: tf.Tensor | None = None) -> tf.Tensor:
        """One step on the cross-entropy of all positions of N windows; the loss []."""
        nets = self.networks
        weights = [*nets.learner.trainable_variables, *nets.gain.trainable_variables]
        with tf.GradientTape() as tape:
            read = nets.learner(windows.before, training=True)  # [N, W, E]
            # Vectors that have seen the answer would have it trusted too much.
            factors = tf.gather(self._factors, windows.user)[:, None]  # [N, 1, D]
            factors = tf.where(windows.is_new[:, :, None], nets.gain(factors), 0.0)  # [N, W, D]
            lost = self._lost(factors, read, windows, negatives)
            count = tf.reduce_sum(tf.cast(windows.item != PADDING, tf.float32))
            loss = tf.reduce_sum(lost) / count
        self._descend(nets.sequence_optimizer, tape, loss, weights)
        share, updates = self.config.sequence_average, nets.sequence_optimizer.iterations
        follow(nets.reader, nets.learner, share, updates)
        return loss

    def _lost(
        self,
        factors: tf.Tensor,
        read: tf.Tensor,
        windows: Windows,
        negatives: tf.Tensor | None,
    ) -> tf.Tensor:
        """[N, W] the loss of each position, after `factors [N, W, D]` and `read [N, W, E]`."""
        nets, any_next = self.networks, self.environment.pays_for_uptake
        items, learned = nets.items.base.table(), nets.learner.table.value
        if negatives is None:
            scores = tf.matmul(factors, items, transpose_b=True)  # [N, W, I]
            scores += tf.matmul(read, learned, transpose_b=True)
            return (next_of_all if any_next else liked_among_rated)(scores, windows)

        def products(places: str, chosen: tf.Tensor) -> tf.Tensor:
            found = tf.einsum(places, factors, tf.gather(items, chosen))
            return found + tf.einsum(places, read, tf.gather(learned, chosen))

        if not any_next:
            return liked_among(products("nwd,nvd->nwv", windows.item), windows)
        own = products("nwd,nwd->nw", windows.item)
        other = products("nwd,md->nwm", negatives)
        return next_of_sample(own, other, negatives, self.windows.num_items - 1, windows)

    def _refresh_users(self, first: tf.Tensor) -> None:
        """Recompute the vectors of users from `first []` on, round-robin."""
        total = len(self._before)
        users = (first + tf.range(min(REFRESHED_AT_ONCE, total))) % total
        vectors = self._vectors(tf.gather(self._factors, users), tf.gather(self._before, users))
        self.user.assign(tf.tensor_scatter_nd_update(self.user, users[:, None], vectors))
        self.networks.items.grow(self.networks.reader.table.value)

    def _vectors(self, factors: tf.Tensor, sequence: tf.Tensor) -> tf.Tensor:
        """[B, D], [B, W] items -> [B, D + E] users after these items."""
        read = self.networks.reader(sequence, training=False)[:, -1]
        return tf.concat([self.networks.gain(factors), read], axis=1)
