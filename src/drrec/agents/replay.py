"""Prioritised experience replay, compiled (Schaul et al. 2016, proportional variant).

It keeps item ids, not encoded states: smaller, and a sampled transition is encoded by the state
module as it is now. Priorities lie in an [A, A, A] cube; a draw walks down three prefix sums of
A ≈ ∛capacity entries, which compiles under XLA and costs less than a tree of pointers.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple, Self

import tensorflow as tf

from drrec.types import Transitions


class Sample(NamedTuple):
    """B transitions drawn from the replay."""

    transitions: Transitions
    index: tf.Tensor  # [B] int32, where they lie
    weight: tf.Tensor  # [B] float32 importance weights in (0, 1]


@dataclasses.dataclass(frozen=True, eq=False)
class Replay:
    """A ring of the last `capacity` transitions, with a priority each."""

    columns: Transitions  # of tf.Variable, [capacity, ...]
    priority: tf.Variable  # [A, A, A] float32, |TD error|^α, 0 where nothing lies
    top_priority: tf.Variable  # [] float32, what a new transition starts with
    written: tf.Variable  # [] int64, transitions written since the start

    @classmethod
    def empty(
        cls,
        capacity: int,
        state_size: int,
        episode_length: int,
        dim: int,
        history_type: tf.DType = tf.int32,
    ) -> Self:
        """Allocate for `capacity` transitions: L `state_size`, T `episode_length`, D `dim`."""

        def column(shape: list[int], dtype: tf.DType) -> tf.Variable:
            return tf.Variable(tf.zeros([capacity, *shape], dtype), trainable=False)

        side = math.ceil(capacity ** (1 / 3) - 1e-9)
        return cls(
            columns=Transitions(
                user=column([], tf.int32),
                history=column([state_size], history_type),
                # Actions are the bulk; in [−1, 1] half precision is good to 0.0005.
                action=column([dim], tf.float16),
                item=column([], tf.int32),
                reward=column([], tf.float32),
                discount=column([], tf.float32),
                next_history=column([state_size], history_type),
                next_shown=column([episode_length], tf.int32),
            ),
            priority=tf.Variable(tf.zeros([side, side, side]), trainable=False),
            top_priority=tf.Variable(1.0, trainable=False),
            written=tf.Variable(0, dtype=tf.int64, trainable=False),
        )

    @property
    def capacity(self) -> int:
        """How many transitions fit."""
        return int(self.columns.item.shape[0])

    @property
    def num_bytes(self) -> int:
        """Memory that the ring takes."""
        variables = [*self.columns, self.priority]
        return sum(v.dtype.size * v.shape.num_elements() for v in variables)

    def size(self) -> tf.Tensor:
        """[] int64, how many transitions lie in the ring."""
        return tf.minimum(self.written, self.capacity)

    def write(self, transitions: Transitions) -> None:
        """Put N transitions over the oldest, with the highest priority seen so far."""
        count = tf.shape(transitions.item)[0]
        start = tf.cast(self.written % self.capacity, tf.int32)
        index = (start + tf.range(count)) % self.capacity
        # Scatter, not a slice: a slice assignment copies the whole ring under XLA.
        for column, values in zip(self.columns, transitions, strict=True):
            column.scatter_nd_update(index[:, None], tf.cast(values, column.dtype))
        self._put(index, tf.fill([count], self.top_priority))
        self.written.assign_add(tf.cast(count, tf.int64))

    def sample(self, batch_size: int, beta: tf.Tensor, seed: tf.Tensor) -> Sample:
        """Draw transition i with P(i) = p_i / Σ p, one from each of B equal strata.

        Args:
            batch_size: B.
            beta: [] exponent of the importance weights (1 / (size · P(i)))^β, scaled to 1 at most.
            seed: [2] int, of the stateless draw.
        """
        priority = tf.convert_to_tensor(self.priority)  # [A, A, A]
        planes = tf.reduce_sum(priority, axis=2)  # [A, A]
        blocks = tf.reduce_sum(planes, axis=1)  # [A]
        total = tf.reduce_sum(blocks)
        jitter = tf.random.stateless_uniform([batch_size], seed)
        target = (tf.range(batch_size, dtype=tf.float32) + jitter) / batch_size * total  # [B]
        x, target = _descend(tf.broadcast_to(blocks, [batch_size, len(blocks)]), target)
        y, target = _descend(tf.gather(planes, x), target)
        z, _ = _descend(tf.gather_nd(priority, tf.stack([x, y], 1)), target)
        side = self.priority.shape[0]
        size = self.size()
        index = tf.minimum((x * side + y) * side + z, tf.cast(size, tf.int32) - 1)
        probability = tf.gather(tf.reshape(priority, [-1]), index) / total
        weight = (tf.cast(size, tf.float32) * probability) ** -beta
        columns = [tf.gather(column, index) for column in self.columns]
        transitions = Transitions(*columns)
        transitions = transitions._replace(action=tf.cast(transitions.action, tf.float32))
        return Sample(transitions, index, weight / tf.reduce_max(weight))

    def update(self, index: tf.Tensor, priority: tf.Tensor) -> None:
        """Set the priorities of transitions `index [B]` to `priority [B]`, all above zero."""
        self._put(index, priority)
        self.top_priority.assign(tf.maximum(self.top_priority, tf.reduce_max(priority)))

    def _put(self, index: tf.Tensor, priority: tf.Tensor) -> None:
        side = self.priority.shape[0]
        place = tf.stack([index // side**2, index // side % side, index % side], 1)
        self.priority.scatter_nd_update(place, priority)


def _descend(weights: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Which of the entries [B, A] the running sum passes `target [B]` in, and what is left."""
    running = tf.cumsum(weights, axis=1)
    # A rounded target may pass the last sum: keep to an entry that has weight.
    target = tf.minimum(target, running[:, -1] * (1 - 1e-6))
    found = tf.reduce_sum(tf.cast(running <= target[:, None], tf.int32), axis=1)
    found = tf.minimum(found, weights.shape[1] - 1)
    before = tf.gather(running, found, batch_dims=1) - tf.gather(weights, found, batch_dims=1)
    return found, tf.maximum(target - before, 0.0)
