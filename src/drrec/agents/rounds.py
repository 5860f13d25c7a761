"""SteppedAgent: base class of agents whose steps are played apart from learning, if asked."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import tensorflow as tf

from drrec.agents.base import Agent


class SteppedAgent(Agent):
    """An agent that learns from steps of sessions, whoever has played them."""

    lag: ClassVar[int | None]
    """Rounds that others may play ahead of learning, 0 or 1; None: nobody plays for it."""

    @property
    def steps_a_round(self) -> int:
        """H, steps of every session that others play at a time."""
        return self.steps_each

    @abc.abstractmethod
    def step_like(self) -> Any:
        """A NamedTuple of what a step is, [N, …] each: shapes and types."""

    @abc.abstractmethod
    def _step(self) -> Any:
        """Play one step of the sessions, [N, …] each."""

    @abc.abstractmethod
    def learned_round(self, steps: Any) -> Any:
        """Learn from steps [H, N, …] that others have played; means of the metrics."""

    def played_round(self) -> Any:
        """[H, N, …] the next steps of the sessions; the counter is increased by H."""
        like, length = self.step_like(), self.steps_a_round
        columns = [tf.TensorArray(each.dtype, length, element_shape=each.shape) for each in like]
        place = tf.constant(0)
        while place < length:
            columns = [
                column.write(place, tf.cast(value, column.dtype))
                for column, value in zip(columns, self._step(), strict=True)
            ]
            self.iteration.assign_add(1)
            place += 1
        return type(like)(*(column.stack() for column in columns))
