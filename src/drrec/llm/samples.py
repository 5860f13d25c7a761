"""Training samples of a language model, from training rows alone; seeded by what they are of."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.arrays import read_arrays, write_arrays
from drrec.errors import InputError
from drrec.scoring import untaken

if TYPE_CHECKING:
    import os

    from drrec.data.interactions import Interactions

_DECLARED = {"fingerprint": "str []", "offsets": "int [V]", "item": "int [R]", "titles": "str [I]"}
_MEND = "Remove it, and run the stage again."


class Sample(NamedTuple):
    """A history, and candidates, one of which came next."""

    history: np.ndarray  # [n] items, most recent last
    candidates: np.ndarray  # [1 + negatives] items
    place: int  # of the next item among them


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingLog:
    """The rows of a training log that a language model learns from, and what items are called."""

    fingerprint: str  # of the training log
    offsets: np.ndarray  # [U + 1]: user u's rows are offsets[u] … offsets[u + 1] − 1, in order
    item: np.ndarray  # [R] int32
    titles: np.ndarray  # [I] str, "" if unknown

    @classmethod
    def of(cls, log: Interactions, titles: np.ndarray) -> TrainingLog:
        """The rows of `log`, with titles [I]."""
        return cls(log.fingerprint, log.offsets.astype(np.int64), log.item, titles)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what `load` reads."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        write_arrays(path, fields | {"fingerprint": np.array(self.fingerprint)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TrainingLog:
        """Read it back.

        Raises:
            InputError: the file is missing or damaged.
        """
        arrays = read_arrays(path, "a training log", _MEND, _DECLARED)
        log = cls(str(arrays["fingerprint"]), *(arrays[k] for k in ("offsets", "item", "titles")))
        ends, most = log.offsets, len(log.titles) - 1
        in_order = len(ends) and ends[0] == 0 and (np.diff(ends) >= 0).all()
        if not (in_order and ends[-1] == len(log.item) and _within(log.item, 1, most)):
            raise InputError(
                f"Expected a training log in {pathlib.Path(path)}. Received: items or users out "
                f"of range. {_MEND}"
            )
        return log

    @property
    def num_users(self) -> int:
        """U."""
        return len(self.offsets) - 1

    @property
    def num_items(self) -> int:
        """I, padding included."""
        return len(self.titles)

    def sequence(self, user: int) -> np.ndarray:
        """[n] a user's items in order."""
        return self.item[self.offsets[user] : self.offsets[user + 1]]


def _within(values: np.ndarray, low: int, high: int) -> bool:
    return not len(values) or bool(low <= values.min() and values.max() <= high)


class Sampler:
    """Draws samples; which ones depends on the seed, the log, the epoch, the user and the position.

    Nothing else counts: not how many samples there were before, nor which process asks.
    """

    def __init__(self, log: TrainingLog, seed: int, held_out: int = 0) -> None:
        """`held_out` users at most, a fifth at most, keep their last row for validation."""
        self.log, self._seed = log, seed
        self._split = int(log.fingerprint[:12], 16)
        counts = np.diff(log.offsets)
        able = np.flatnonzero(counts > 2)
        size = min(held_out, len(able) // 5)
        draws = np.random.default_rng([seed, self._split])
        self.validating = np.sort(draws.permutation(able)[:size])
        self._last = counts - np.isin(np.arange(log.num_users), self.validating)
        self.users = np.flatnonzero(self._last > 1)
        if not len(self.users):
            raise InputError(
                "Expected a user with two training rows or more. Received: none. A language "
                "model learns which item follows another."
            )

    def windows(self, epoch: int, length: int) -> list[np.ndarray]:
        """Users' sequences cut into pieces of `length` items at most, in a shuffled order.

        Where a long sequence is cut differs from epoch to epoch; each row is in one piece.
        """
        rng = np.random.default_rng([self._seed, self._split, epoch, 0])
        pieces = []
        for user in self.users:
            sequence = self.log.sequence(int(user))[: self._last[user]]
            first = int(rng.integers(1, length + 1)) if len(sequence) > length else length
            cuts = [0, *range(first, len(sequence), length), len(sequence)]
            pieces += [sequence[a:b] for a, b in itertools.pairwise(cuts)]
        return [pieces[number] for number in rng.permutation(len(pieces))]

    def samples(self, epoch: int, negatives: int) -> list[Sample]:
        """One sample of every user at a position drawn anew, in a shuffled order."""
        return [self.sample(epoch, *place, negatives) for place in self.places(epoch)]

    def places(self, epoch: int) -> list[tuple[int, int]]:
        """User and position of each of these samples."""
        rng = np.random.default_rng([self._seed, self._split, epoch, 1])
        at = rng.integers(1, self._last[self.users])
        order = rng.permutation(len(self.users))
        return [(int(self.users[n]), int(at[n])) for n in order]

    def last_places(self, count: int) -> list[tuple[int, int]]:
        """Of every user the last `count` positions to learn from, at which a new item came."""
        found = []
        for user in self.users.tolist():
            items = self.log.sequence(user)
            places = range(max(1, self._last[user] - count), self._last[user])
            found += [(user, at) for at in places if items[at] not in items[:at]]
        return found

    def validation(self, negatives: int) -> list[Sample]:
        """What the users who are held out took last."""
        return [self.sample(-1, user, self._last[user], negatives) for user in self.validating]

    def sample(self, epoch: int, user: int, position: int, negatives: int) -> Sample:
        """What a user took at a position, among items that the user does not have.

        Args:
            epoch: −1 for validation.
            user: dense id.
            position: from 0; what is before it is the history.
            negatives: how many, drawn uniformly and none twice.

        Raises:
            InputError: there are not so many items that the user does not have.
        """
        rng = np.random.default_rng([self._seed, self._split, epoch + 1, user, position])
        own = self.log.sequence(user)
        taken = np.unique(np.append(own, 0))
        free = self.log.num_items - len(taken)
        if free < negatives:
            raise InputError(
                f"Expected {negatives} items that each user does not have. Received: a user with "
                f"{free} such items. Draw fewer negatives."
            )
        rank = rng.choice(free, negatives, replace=False, shuffle=False)
        drawn = np.append(untaken(taken, rank), own[position])
        candidates = rng.permutation(drawn).astype(np.int32)
        place = int(np.flatnonzero(candidates == own[position])[0])
        return Sample(own[:position], candidates, place)
