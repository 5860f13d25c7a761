"""Train, validation and test: who may see which rating, and a hash so that stages agree on it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.arrays import read_arrays, write_arrays
from drrec.data.interactions import by_users
from drrec.data.readers.checks import nearest
from drrec.data.strategies import GIVEN, OF_EACH_USER, SPLITS, TEST, TRAIN, VALIDATION, given
from drrec.errors import InputError, shown
from drrec.reading import conform

if TYPE_CHECKING:
    import os

    from drrec.data.interactions import Interactions

VERSION = 1
"""Of the file that `Split.save` writes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """How ratings are divided."""

    strategy: str = "temporal"
    """temporal, leave_one_out, global_time, user (cold users), item (cold items), random; or
    given, with the data."""
    validation_share: float = 0.1
    """Share of the ratings (of the users in `user`, of the items in `item`) that validate, in
    [0, 1)."""
    test_share: float = 0.2
    """Share of the ratings (of the users in `user`, of the items in `item`) that test, in
    (0, 1)."""
    seed: int = 0
    """What `user`, `item` and `random` are drawn with."""

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            InputError: the strategy is unknown, or the shares leave nothing to train on.
        """
        known = (*SPLITS, GIVEN)
        if self.strategy not in known:
            raise InputError(
                f"Expected a known split. Received: {shown(self.strategy)}. "
                f"{nearest(self.strategy, known)}"
            )
        shares = self.validation_share + self.test_share
        if not (self.validation_share >= 0 and self.test_share > 0 and shares < 1):
            raise InputError(
                "Expected `validation_share` ≥ 0 and `test_share` > 0 with a sum below 1. "
                f"Received: {self.validation_share} and {self.test_share}."
            )
        if self.seed < 0:
            raise InputError(f"Expected a seed of 0 or more. Received: {self.seed}.")


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Split:
    """Three logs with the id maps of one source. What learns is handed `train` and no more."""

    config: SplitConfig
    source_fingerprint: str
    train: Interactions
    validation: Interactions
    test: Interactions
    part: np.ndarray  # [R] int8, of each row of the source: TRAIN, VALIDATION or TEST
    is_final: bool = False
    """Whether validation has been joined to train."""

    @property
    def strategy(self) -> str:
        """The name in `SPLITS`."""
        return self.config.strategy

    @property
    def seed(self) -> int:
        """What it was drawn with."""
        return self.config.seed

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the source's fingerprint, the settings, and where each row went."""
        digest = hashlib.sha256(json.dumps(self._head(), sort_keys=True).encode())
        digest.update(self.part.tobytes())
        return digest.hexdigest()

    def final(self) -> Split:
        """The split for final fits: train is train and validation, and validation is empty.

        Histories and seen items of the test users come from this train, too.
        """
        part = np.where(self.part == VALIDATION, TRAIN, self.part).astype(np.int8)
        return _divided(_source(self), part, self.config, self.source_fingerprint, is_final=True)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write settings, fingerprint and parts (not the ratings) to one `.npz` file."""
        head = json.dumps({**self._head(), "fingerprint": self.fingerprint})
        write_arrays(path, {"head": np.array(head), "part": self.part}, compressed=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str], interactions: Interactions) -> Split:
        """Read a split back, for the same ratings only.

        Raises:
            InputError: there is no such file, it is damaged or of another version, or it was
                made from other ratings.
        """
        head, part = _saved(pathlib.Path(path))
        if head["source"] != interactions.fingerprint or len(part) != len(interactions):
            raise InputError(
                f"Expected the split of these ratings ({interactions.fingerprint[:12]}…) in "
                f"{path}. Received: that of others ({head['source'][:12]}…). "
                "Split the ratings again, or name the data set that it was made from."
            )
        config = SplitConfig(**head["config"])
        split = _divided(interactions, part, config, head["source"], is_final=head["is_final"])
        if split.fingerprint != head["fingerprint"]:
            raise _damaged(path, "another fingerprint than it was saved with")
        return split

    def _head(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "source": self.source_fingerprint,
            "config": dataclasses.asdict(self.config),
            "is_final": self.is_final,
        }


def split_interactions(
    interactions: Interactions,
    config: SplitConfig | None = None,
    parts: np.ndarray | None = None,
) -> Split:
    """Divide ratings by the strategy of `config` (default: `temporal`, 70/10/20).

    Users too short for a strategy stay in train entirely.

    Args:
        interactions: what to divide.
        config: the strategy, its shares and its seed.
        parts: [R] int8 that the strategy `given` takes as they are; no other looks at them.

    Raises:
        InputError: no user is long enough, so that a part would be empty; or the strategy is
            `given`, and there are no parts, or one of them is empty.
    """
    config = config or SplitConfig()
    part = parts_of(interactions, config, parts)
    return _divided(interactions, part, config, interactions.fingerprint, is_final=False)


def parts_of(
    interactions: Interactions, config: SplitConfig, parts: np.ndarray | None = None
) -> np.ndarray:
    """[R] int8: the part of each row, see `split_interactions`.

    Raises:
        InputError: as of `split_interactions`.
    """
    if config.strategy == GIVEN:
        return given(interactions, parts)
    shares = config.validation_share, config.test_share
    divide = SPLITS[config.strategy]
    logs = by_users(interactions) if config.strategy in OF_EACH_USER else [interactions]
    part = np.concatenate([divide(log, *shares, config.seed) for log in logs])
    needed = [TRAIN, TEST] + [VALIDATION] * (config.validation_share > 0)
    if missing := set(needed) - set(np.unique(part).tolist()):
        names = {TRAIN: "train", VALIDATION: "validation", TEST: "test"}
        raise InputError(
            f"Expected ratings enough for a {config.strategy} split. Received: "
            f"{len(interactions)} ratings of {interactions.num_users} users, at most "
            f"{interactions.counts().max()} each; no user is long enough, so that "
            f"{' and '.join(names[name] for name in sorted(missing))} would be empty. "
            "Add ratings, or pass another --test-share, --validation-share or --split."
        )
    return part


def _divided(
    source: Interactions, part: np.ndarray, config: SplitConfig, fingerprint: str, *, is_final: bool
) -> Split:
    return Split(
        config=config,
        source_fingerprint=fingerprint,
        train=source.where(part == TRAIN),
        validation=source.where(part == VALIDATION),
        test=source.where(part == TEST),
        part=part,
        is_final=is_final,
    )


def _source(split: Split) -> Interactions:
    """The ratings that were divided, put together again."""
    logs = {TRAIN: split.train, VALIDATION: split.validation, TEST: split.test}
    columns: dict[str, Any] = {}
    for name in ("user", "item", "rating", "timestamp"):
        columns[name] = np.empty(len(split.part), getattr(split.train, name).dtype)
        for part, log in logs.items():
            columns[name][split.part == part] = getattr(log, name)
    return dataclasses.replace(split.train, **columns)


def _saved(path: pathlib.Path) -> tuple[dict[str, Any], np.ndarray]:
    declared = {"head": "str []", "part": "int8 [R]"}
    arrays = read_arrays(path, "a whole split", "Make it again.", declared)
    try:
        head = json.loads(str(arrays["head"]))
        form = {"source": str, "fingerprint": str, "is_final": bool, "config": dict}
        version = head["version"]
        if version == VERSION:
            conform(head, form, str(path))
        SplitConfig(**head["config"])
    except InputError:
        raise
    except (LookupError, RuntimeError, TypeError, ValueError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    if version != VERSION:
        raise InputError(
            f"Expected a split of version {VERSION} in {path}. Received: version {version}. "
            "Make it again."
        )
    return head, arrays["part"]


def _damaged(path: str | os.PathLike[str], received: str) -> InputError:
    line = " ".join(received.split())
    return InputError(f"Expected a whole split in {path}. Received: {line}. Make it again.")
