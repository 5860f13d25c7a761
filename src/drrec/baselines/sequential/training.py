"""Training a model of the next item until it no longer gets better at each user's last one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from drrec.baselines.sequential.sequences import windows
from drrec.nn.sequence import NextItem, averaged, follow
from drrec.nn.sequence_losses import cross_entropy, gbce, sampled_softmax

if TYPE_CHECKING:
    from drrec.baselines.sequential.config import SequenceConfig
    from drrec.baselines.sequential.sequences import Windows
    from drrec.data.interactions import Interactions

LEAST_COMPILED = 20_000
"""Rows from which on XLA's compiling pays: below it takes longer than the training."""

MOST_JUDGED = 10_000
"""Users whose last item says when to stop."""

_RANKED = 10
"""K of the NDCG that says when to stop."""


class Task(NamedTuple):
    """Sequences [U', L] and what came next."""

    sequence: np.ndarray
    target: np.ndarray  # [U'] int32


def new_model(num_items: int, encoder: str, config: SequenceConfig) -> NextItem:
    """A model of the next item, built, its weights drawn by Keras' own seed."""
    settings = {"num_layers": config.num_layers, "dropout": config.dropout}
    if encoder == "transformer":
        settings["num_heads"] = config.num_heads
    model = NextItem(num_items, config.width, encoder, settings)
    model.build((None, config.length))
    return model


class SequenceEncoder:
    """A model that has learned, compiled once."""

    def __init__(self, model: NextItem, config: SequenceConfig, compiled: bool) -> None:
        """`compiled` by XLA, which pays where there is much to encode."""
        self.model, self.config, self.compiled = model, config, compiled
        self._encode = tf.function(jit_compile=compiled)(
            lambda sequences: model(sequences, training=False)[:, -1]
        )

    @classmethod
    def of(
        cls,
        num_items: int,
        encoder: str,
        config: SequenceConfig,
        weights: list[np.ndarray],
        compiled: bool = False,
    ) -> SequenceEncoder:
        """One with these weights."""
        model = new_model(num_items, encoder, config)
        model.set_weights(weights)
        return cls(model, config, compiled)

    def encode(self, sequences: np.ndarray) -> np.ndarray:
        """[B, L] -> [B, D], what scores items after these sequences."""
        size = self.config.batch_size
        parts = []
        for first in range(0, len(sequences), size):
            part = sequences[first : first + size]
            full = np.pad(part, ((0, size - len(part)), (0, 0)))  # one shape compiles once
            parts.append(self._encode(full).numpy()[: len(part)])
        return np.concatenate(parts) if parts else np.zeros((0, self.config.width), np.float32)


class Trainer:
    """One model, its average and its optimizer, on the items of one log, compiled once."""

    def __init__(self, log: Interactions, encoder: str, config: SequenceConfig, seed: int) -> None:
        """Make them for the items of `log`."""
        keras.utils.set_random_seed(seed)
        self.config, self.seed = config, seed
        self.reached: list[float] = []
        self.learner = new_model(log.num_items, encoder, config)
        self.model = averaged(self.learner)
        self.optimizer = keras.optimizers.Adam(config.learning_rate, beta_2=0.98)
        self.optimizer.build(self.learner.trainable_variables)
        self.count = np.bincount(log.item, minlength=log.num_items)
        self.is_known = self.count > 0
        self.loss = config.loss_over(log.num_items)
        self._known = np.flatnonzero(self.is_known)
        self._start = [np.array(variable) for variable in self._variables()]
        self._is_long = len(log) >= LEAST_COMPILED
        self._update = tf.function(jit_compile=self._is_long)(self._updated)
        self._encoder = SequenceEncoder(self.model, config, self._is_long)

    def _restart(self) -> None:
        """Go back to the weights of the start."""
        for variable, value in zip(self._variables(), self._start, strict=True):
            variable.assign(value)

    def epochs(
        self, log: Interactions, num_epochs: int, validation: Task | None = None
    ) -> list[float]:
        """Train from scratch on `log`; with `validation`, stop early on its NDCG.

        Returns:
            NDCG@10 on `validation`, after each epoch.
        """
        self._restart()
        draws = np.random.default_rng(self.seed)
        made = windows(log, self.config.length)
        reached: list[float] = []
        for _ in range(num_epochs):
            self._epoch(made, log, draws)
            if validation is not None:
                reached.append(self._ndcg(validation))
                if len(reached) - int(np.argmax(reached)) > self.config.patience:
                    break
        return reached

    def encode(self, sequences: np.ndarray) -> np.ndarray:
        """[B, L] -> [B, D], what scores items after these sequences."""
        return self.encoder().encode(sequences)

    def encoder(self) -> SequenceEncoder:
        """What has been learned."""
        return self._encoder

    def _epoch(self, made: Windows, log: Interactions, draws: np.random.Generator) -> None:
        size = self.config.batch_size
        order = draws.permutation(len(made.item))
        order = np.pad(order, (0, -len(order) % size), constant_values=-1)
        for first in range(0, len(order), size):
            rows = order[first : first + size]
            is_row = (rows >= 0)[:, None]
            item, target = (np.where(is_row, part[rows], 0) for part in made)
            self._update(item, target, self._negatives(log, draws))

    def _negatives(self, log: Interactions, draws: np.random.Generator) -> np.ndarray:
        """[M]: uniform for gBCE, half of them by popularity for a sampled softmax."""
        known, total = self._known, self.config.num_negatives
        num_popular = total // 2 if self.loss == "sampled_softmax" else 0
        uniform = known[draws.integers(len(known), size=total - num_popular)]
        popular = log.item[draws.integers(len(log), size=num_popular)]
        return np.concatenate([uniform, popular]).astype(np.int32)

    def _log_expected(self, items: tf.Tensor) -> tf.Tensor:
        """[M] log of how often each item is expected among the negatives."""
        total = self.config.num_negatives
        num_popular = total // 2
        expected = (total - num_popular) / self.is_known.sum()
        expected = expected + num_popular * self.count / self.count.sum()  # [I]
        return tf.gather(tf.constant(np.log(expected), tf.float32), items)

    def _updated(self, item: tf.Tensor, target: tf.Tensor, negatives: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            hidden = self.learner(item, training=True)
            hidden = tf.reshape(hidden, (-1, self.config.width))  # [N, D]
            flat = tf.reshape(target, (-1,))
            is_target = tf.cast(flat != 0, tf.float32)
            # Where there is none, any item will do: it counts 0.
            stand_in = tf.where(flat == 0, int(np.argmax(self.is_known)), flat)
            loss = self._losses(hidden, stand_in, negatives) * is_target
            mean = tf.reduce_sum(loss) / tf.reduce_sum(is_target)
        weights = self.learner.trainable_variables
        gradients = tape.gradient(mean, [weight.value for weight in weights])
        self.optimizer.apply(gradients, weights)
        follow(self.model, self.learner, self.config.average, self.optimizer.iterations)

    def _losses(self, hidden: tf.Tensor, target: tf.Tensor, negatives: tf.Tensor) -> tf.Tensor:
        table = self.learner.table.value
        own = tf.reduce_sum(hidden * tf.gather(table, target), axis=1)
        if self.loss == "cross_entropy":
            bias = np.where(self.is_known, 0, -np.inf).astype(np.float32)
            return cross_entropy(own, tf.matmul(hidden, table, transpose_b=True) + bias)
        other = tf.matmul(hidden, tf.gather(table, negatives), transpose_b=True)  # [N, M]
        other = tf.where(target[:, None] == negatives, -np.inf, other)
        if self.loss == "gbce":
            return gbce(own, other, int(self.is_known.sum()), self.config.calibration)
        return sampled_softmax(own, other, self._log_expected(negatives))

    def _ndcg(self, validation: Task) -> float:
        """Of the target among all items that its sequence does not hold."""
        table = np.where(self.is_known[:, None], np.array(self.model.table), 0)
        gains = []
        size = max(1, 2**22 // len(table))
        hidden = self.encode(validation.sequence)
        for first in range(0, len(hidden), size):
            rows = slice(first, first + size)
            score = hidden[rows] @ table.T  # [B, I]
            target = validation.target[rows, None]
            own = np.take_along_axis(score, target, axis=1)
            np.put_along_axis(score, validation.sequence[rows], -np.inf, axis=1)
            score[:, ~self.is_known] = -np.inf
            place = (score > own).sum(axis=1)
            gains.append(np.where(place < _RANKED, 1 / np.log2(place + 2), 0))
        return float(np.concatenate(gains).mean())

    def _variables(self) -> list[keras.Variable]:
        return [*self.learner.variables, *self.model.variables, *self.optimizer.variables]


def trained(log: Interactions, encoder: str, config: SequenceConfig, seed: int) -> Trainer:
    """A trainer whose model has learned from `log`.

    Each user's last item is held out first, to find the best number of epochs; then,
    with `config.refit`, the model is trained on all for as many.
    """
    trainer = Trainer(log, encoder, config, seed)
    back = log.position_from_end()
    is_last = (back == 0) & (log.counts()[log.user] > 1)
    past, last = log.where(~is_last), log.where(is_last)
    if not len(last):
        trainer.epochs(log, 1)
        return trainer
    chosen = np.random.default_rng(seed).permutation(len(last))[:MOST_JUDGED]
    validation = Task(past.histories(config.length)[last.user[chosen]], last.item[chosen])
    trainer.reached = trainer.epochs(past, config.most_epochs, validation)
    best = int(np.argmax(trainer.reached)) + 1
    trainer.epochs(log if config.refit else past, best)
    return trainer
