"""A learner whose sessions are played in rounds by other processes, its rollout workers.

What a round is played with follows from its number, never from who is ready first: the same
training comes out however fast the workers are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from drrec.agents.checkpoint import fields_of, named_variables
from drrec.agents.shards import Shard
from drrec.envs.base import LoggedState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drrec.agents.rounds import SteppedAgent


class Ask(NamedTuple):
    """Where a worker's sessions are."""

    iteration: int
    sessions: LoggedState  # [n, …]


class Played(NamedTuple):
    """A round of some sessions, as arrays."""

    steps: Any  # [H, n, …] each
    sessions: LoggedState  # [n, …] after the round
    terms: list[float]  # sums over H of the reward's terms


class Ahead(NamedTuple):
    """The round that is played and not learned from yet."""

    iteration: tf.Variable  # [] int64, of the sessions
    steps: Any  # [H, N, …] each, of tf.Variable
    terms: tf.Variable  # [number of terms]


class Play(Protocol):
    """Begins a round of all workers."""

    def __call__(
        self, weights: list[np.ndarray], asks: list[Ask]
    ) -> Callable[[], Sequence[Played]]:
        """Begin to play with these weights; what is returned waits until all have played."""


class RolloutWorker:
    """Plays rounds for a learner. It keeps nothing that a round depends on."""

    def __init__(self, agent: SteppedAgent) -> None:
        """`agent` is set up as the learner's is, with a `shard` of its own."""
        self._agent = agent
        self._weights = acting_variables(agent)
        self._round = tf.function(agent.played_round, jit_compile=True)

    def __call__(self, weights: Sequence[np.ndarray], ask: Ask) -> Played:
        """Play a round with the learner's `acting_variables`."""
        agent = self._agent
        agent.iteration.assign(ask.iteration)
        for variable, value in zip(
            [*self._weights, *agent.sessions], [*weights, *ask.sessions], strict=True
        ):
            variable.assign(value)
        for total in agent.terms.values():
            total.assign(0.0)
        steps = self._round()
        return Played(
            type(steps)(*(column.numpy() for column in steps)),
            LoggedState(*(variable.numpy() for variable in agent.sessions)),
            [float(total) for total in agent.terms.values()],
        )


class WithWorkers:
    """An agent that learns from what its workers play; `train` takes it in the agent's place.

    Where the agent may lag, round k + 1 is played while it learns from round k, so with the weights
    after round k − 1.
    """

    def __init__(self, agent: SteppedAgent, play: Play, workers: int) -> None:
        """`agent` is set up; its sessions are divided among so many workers, `play` begins theirs.

        `num_envs` has to be a multiple of their number.
        """
        self.agent, self._play = agent, play
        self._rows = [Shard(rank, workers).rows(agent.config.num_envs) for rank in range(workers)]
        self._weights = acting_variables(agent)
        self._learned = tf.function(agent.learned_round, jit_compile=True)
        self._ahead: Ahead | None = None
        if agent.lag:
            like, length = agent.step_like(), agent.steps_a_round
            self._ahead = Ahead(
                tf.Variable(agent.iteration, trainable=False),
                type(like)(*(_zeros([length, *each.shape], each.dtype) for each in like)),
                _zeros([len(agent.terms)], tf.float32),
            )

    @property
    def steps_an_iteration(self) -> int:
        """Environment steps over all sessions in a round."""
        return self.agent.config.num_envs * self.agent.steps_a_round

    @property
    def steps(self) -> int:
        """Environment steps that it has learned from so far, over all sessions."""
        return self.agent.steps

    @property
    def learner(self) -> Any:
        """All state of training: the agent's, and the round that it has not learned from yet."""
        return fields_of(self.agent.learner) | ({"ahead": self._ahead} if self._ahead else {})

    def run(self, rounds: tf.Tensor) -> Any:
        """Learn from `rounds [] int32` rounds; sums of their metrics."""
        for total in self.agent.terms.values():
            total.assign(0.0)
        learned = [self._round() for _ in range(int(rounds))]
        return self.agent.metrics(*(sum(each) for each in zip(*learned, strict=True)))

    def reward_terms(self, rounds: int) -> dict[str, float]:
        """Unweighted means of the reward's terms over the last `run`; see `Agent.reward_terms`."""
        return self.agent.reward_terms(rounds * self.agent.steps_a_round // self.agent.steps_each)

    def _round(self) -> Any:
        agent, ahead = self.agent, self._ahead
        if ahead is None:
            played = self._begun(agent.iteration)()
            self._move(played)
            return self._learn(played.steps, played.terms)
        if int(ahead.iteration) == int(agent.iteration):
            self._keep(self._begun(ahead.iteration)())  # the first round of all
        waiting = self._begun(ahead.iteration)
        learned = self._learn(ahead.steps, ahead.terms.numpy())
        self._keep(waiting())
        return learned

    def _begun(self, iteration: tf.Variable) -> Callable[[], Played]:
        """Have all sessions played from where they are, with the weights as they are now."""
        sessions = [variable.numpy() for variable in self.agent.sessions]
        asks = [
            Ask(int(iteration), LoggedState(*(part[rows] for part in sessions)))
            for rows in self._rows
        ]
        waiting = self._play([variable.numpy() for variable in self._weights], asks)
        return lambda: _joined(waiting())

    def _keep(self, played: Played) -> None:
        ahead: Any = self._ahead
        for variable, value in zip(ahead.steps, played.steps, strict=True):
            variable.assign(value)
        ahead.terms.assign(played.terms)
        ahead.iteration.assign_add(self.agent.steps_a_round)
        self._move(played)

    def _move(self, played: Played) -> None:
        for variable, value in zip(self.agent.sessions, played.sessions, strict=True):
            variable.assign(value)

    def _learn(self, steps: Any, terms: Sequence[float]) -> Any:
        for total, term in zip(self.agent.terms.values(), terms, strict=True):
            total.assign_add(term)
        return self._learned(type(steps)(*(tf.convert_to_tensor(column) for column in steps)))


def acting_variables(agent: SteppedAgent) -> list[tf.Variable]:
    """The weights that playing may read: all but those of targets and optimizers."""
    return [
        variable
        for name, part in fields_of(agent.networks).items()
        if not name.startswith("target_") and not name.endswith("_optimizer")
        for _, variable in named_variables(part)
    ]


def _joined(parts: Sequence[Played]) -> Played:
    steps, sessions, terms = zip(*parts, strict=True)
    return Played(
        type(steps[0])(*(np.concatenate(column, axis=1) for column in zip(*steps, strict=True))),
        LoggedState(*(np.concatenate(part) for part in zip(*sessions, strict=True))),
        [*np.mean(terms, axis=0)],
    )


def _zeros(shape: Sequence[int], dtype: tf.DType) -> tf.Variable:
    return tf.Variable(tf.zeros(shape, dtype), trainable=False)
