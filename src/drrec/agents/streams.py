"""Named streams of random numbers: what an agent draws depends on its counter alone.

A draw takes a seed of two integers, of which XLA keeps the low 32 bits each.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Iterable

_PER_ITERATION = 8
_GOLDEN = 0x9E3779B9
"""2³² / φ, odd: multiples of it, modulo 2³², keep as far apart as so many numbers can."""

_PER_RANK = 1_000


class Stream(enum.Enum):
    """What random numbers are drawn for; an agent's streams must differ in their numbers."""

    USERS = ("users", 0)
    """Users of the first sessions."""
    RESTART = ("restart", 1)
    """Users of the sessions that begin anew."""
    REPLAY = ("replay", 2)
    """Transitions of a batch."""
    NOISE = ("noise", 3)
    """Gaussian noise on the actions that are played."""
    GUMBEL = ("gumbel", 3)
    """Gumbel noise on the scores of the items."""
    CHANCE = ("chance", 4)
    """Whether an action is perturbed."""
    ROWS = ("rows", 4)
    """Order of a rollout's steps in an epoch."""
    SMOOTHING = ("smoothing", 5)
    """Noise on the target actor's next actions."""
    WINDOWS = ("windows", 5)
    """Windows of the log."""
    CANDIDATES = ("candidates", 6)
    """Items that a softmax over a large catalogue is estimated from."""
    NEXT_ACTION = ("next_action", 6)
    """Next actions, sampled from the policy."""
    NEGATIVES = ("negatives", 7)
    """Items that next-item prediction is trained against."""
    ACTION = ("action", 7)
    """Actions that the actor is trained on, sampled from the policy."""

    @property
    def number(self) -> int:
        """Place of the stream among those of an iteration."""
        return self.value[1]


class Streams:
    """Seeds of one agent's streams."""

    def __init__(self, seed: int, streams: Iterable[Stream], rank: int = 0) -> None:
        """`seed` of the run; `streams` that the agent draws from; `rank` of its process.

        Raises:
            ValueError: two of them have one number, so that they would draw the same.
        """
        self._seed = seed
        self._first_counter = rank * _PER_RANK
        self._known = frozenset(streams)
        by_number: dict[int, Stream] = {}
        for stream in sorted(self._known, key=lambda each: each.value):
            other = by_number.setdefault(stream.number, stream)
            if other is not stream:
                raise ValueError(
                    f"Expected streams with different numbers. Received: {other.name} and "
                    f"{stream.name}, both {stream.number}. Give one of them another number."
                )

    def seed(self, stream: Stream, iteration: tf.Tensor, counter: int | tf.Tensor = 0) -> tf.Tensor:
        """[2] int64 seed of a stateless draw.

        No two seeds are equal as XLA reads them, for runs' seeds less than a million apart,
        iterations below 2²⁹ and counters below 1,000; nor those of 64 ranks, for runs' seeds less
        than 50,000 apart.

        Args:
            stream: what is drawn.
            iteration: [] int64.
            counter: [] which draw of this stream in the iteration.

        Raises:
            ValueError: the agent has not declared the stream.
        """
        if stream not in self._known:
            raise ValueError(
                f"Expected a stream that the agent declares. Received: {stream.name}. "
                "Add it to the `streams` of its class."
            )
        # Adding the counter itself would make seed 0's second draw seed 1's first.
        first = self._seed + _GOLDEN * (tf.cast(counter, tf.int64) + self._first_counter)
        return tf.stack([first, iteration * _PER_ITERATION + stream.number])
