"""Several processes that learn together: each from its own sessions, all with the same weights."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from drrec.agents.base import Agent
from drrec.agents.checkpoint import fields_of, named_variables
from drrec.agents.streams import Stream, Streams
from drrec.cluster.actors import LostError
from drrec.cluster.tasks import MOST_RETRIES
from drrec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SHARED = "/networks/"
"""Paths of what is equal in all processes."""


class Ran(NamedTuple):
    """What came of some iterations in one process."""

    sums: list[float]  # of the metrics
    terms: list[float]  # sums of the reward's terms
    weights: str  # a hash of all that learns


class Rank:
    """One of them: an agent with a shard of its own, whose gradients are averaged with others'."""

    def __init__(
        self, agent: Agent, averaged: Callable[[Sequence[tf.Tensor]], list[tf.Tensor]]
    ) -> None:
        """`agent` is set up with its `shard`; `averaged` gives the means over all processes."""
        self.agent = agent
        agent.averaged = averaged
        # XLA has no exchange between processes on the processor, so the loop is a plain graph.
        self._loop = tf.function(functools.partial(Agent._run.python_function, agent))

    def run(self, iterations: int) -> Ran:
        """Run iterations, as many as all others."""
        for total in self.agent.terms.values():
            total.assign(0.0)
        sums = [float(total) for total in self._loop(tf.constant(iterations))]
        digest = hashlib.sha256()
        for _, variable in named_variables(self.agent.networks):
            digest.update(variable.numpy().tobytes())
        return Ran(sums, [float(t) for t in self.agent.terms.values()], digest.hexdigest())

    def state(self) -> list[np.ndarray]:
        """Every value of the learner, in the order of `named_variables`."""
        return [variable.numpy() for _, variable in named_variables(self.agent.learner)]

    def set_state(self, values: Sequence[np.ndarray]) -> None:
        """Go on from what `state` gave."""
        for (_, variable), value in zip(named_variables(self.agent.learner), values, strict=True):
            variable.assign(value)


class Ranks(Protocol):
    """All of them, begun and with their agents set up."""

    def __call__(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call a method of each `Rank` with its own arguments.

        Raises:
            LostError: one is gone.
        """

    def close(self) -> None:
        """End all."""


class InParallel:
    """An agent that processes train together; `train` takes it in the agent's place.

    If one is lost, all are begun anew from the last checkpoint of this process, and do again what
    they had done since: the same training comes out.
    """

    def __init__(self, agent: Agent, begin: Callable[[], Ranks]) -> None:
        """`agent` is set up with rank 0's shard; it has what that rank had when last asked."""
        self.agent, self._begin = agent, begin
        self._ranks: Ranks | None = None
        self._since = 0  # iterations after the state that is here
        self._lost = 0
        self._others = {str(rank): self._first_of(rank) for rank in range(1, agent.shard.count)}

    @property
    def steps_an_iteration(self) -> int:
        """Environment steps over all sessions in an iteration."""
        return self.agent.steps_an_iteration

    @property
    def steps(self) -> int:
        """Environment steps so far, over all sessions."""
        return self.agent.steps + self._since * self.steps_an_iteration

    @property
    def learner(self) -> Any:
        """All state of training: rank 0's, and what others have beside the same weights."""
        if self._since:
            self._take(self._called("state"))
        return fields_of(self.agent.learner) | {"ranks": self._others}

    def run(self, iterations: tf.Tensor) -> Any:
        """Run `iterations [] int32` iterations; sums of metrics, the means over all ranks."""
        ran = self._called("run", int(iterations))
        if len({each.weights for each in ran}) > 1:
            raise RuntimeError("Expected the same weights in all ranks. Received: others.")
        self._since += int(iterations)
        terms = np.mean([each.terms for each in ran], axis=0)
        for variable, term in zip(self.agent.terms.values(), terms, strict=True):
            variable.assign(term)
        return self.agent.metrics(*np.mean([each.sums for each in ran], axis=0))

    def reward_terms(self, iterations: int) -> dict[str, float]:
        """Unweighted means of the reward's terms over the last `run`; see `Agent.reward_terms`."""
        return self.agent.reward_terms(iterations)

    def close(self) -> None:
        """End all ranks."""
        if self._ranks is not None:
            self._ranks.close()
        self._ranks = None

    def _first_of(self, rank: int) -> dict[str, tf.Variable]:
        """What another rank has at its start beside the weights, by its path."""
        agent = self.agent
        seed = Streams(agent.seed, agent.streams, rank).seed(Stream.USERS, tf.constant(0, tf.int64))
        count = agent.shard.size(agent.config.num_envs)
        sessions = agent.environment.start(agent.environment.draw_users(count, seed))
        first = dict(named_variables(agent.learner))
        first |= {f"/sessions/{field}": part for field, part in sessions._asdict().items()}
        return {
            name.strip("/"): tf.Variable(value, trainable=False)
            for name, value in first.items()
            if not name.startswith(_SHARED)
        }

    def _variables(self) -> list[list[tf.Variable]]:
        """The variables of each rank's learner, in the order of `Rank.state`."""
        own = dict(named_variables(self.agent.learner))
        others = [
            [part.get(name.strip("/"), variable) for name, variable in own.items()]
            for part in self._others.values()
        ]
        return [[*own.values()], *others]

    def _called(self, method: str, *arguments: Any) -> list[Any]:
        each = [arguments] * self.agent.shard.count
        while True:
            try:
                return self._running()(method, each)
            except LostError as error:
                self.close()
                self._lost += 1
                if self._lost > MOST_RETRIES:
                    raise InputError(
                        f"Expected processes that learn together. Received: one was killed "
                        f"{self._lost} times, perhaps for want of memory. Run this again: it goes "
                        "on where it stopped."
                    ) from error

    def _running(self) -> Ranks:
        """All ranks, with what they have done so far."""
        if self._ranks is None:
            self._ranks = self._begin()
            states = [([v.numpy() for v in variables],) for variables in self._variables()]
            self._ranks("set_state", states)
            if self._since:
                self._ranks("run", [(self._since,)] * len(states))
        return self._ranks

    def _take(self, states: Sequence[Sequence[np.ndarray]]) -> None:
        for variables, values in zip(self._variables(), states, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        self._since = 0
