"""`export.npz`: all that recommending needs, and nothing that learning needs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Self

import numpy as np

from drrec.data.interactions import IdMap
from drrec.errors import InputError
from drrec.files import read_arrays, replaced

if TYPE_CHECKING:
    import pathlib

    from drrec.agents.policy import Policy
    from drrec.data.interactions import Dataset, Interactions

VERSION = 1


@dataclasses.dataclass(frozen=True, eq=False)
class Export:
    """A policy's arrays with the catalogue and the users that it was made for."""

    version: np.ndarray  # [] int
    dataset: np.ndarray  # [] str
    fingerprint: np.ndarray  # [] str, of the whole log
    users: np.ndarray  # [U] str, raw ids
    items: np.ndarray  # [I] str, raw ids, "" first
    titles: np.ndarray  # [I] str
    history: np.ndarray  # [U, L] int32
    seen_offsets: np.ndarray  # [U + 1]: user u has seen seen_items[offsets[u] : offsets[u + 1]]
    seen_items: np.ndarray  # [R] int32
    user_vectors: np.ndarray  # [U, D] float32
    item_vectors: np.ndarray  # [I, D] float32
    weights: dict[str, np.ndarray]  # of state module and actor
    proposals: np.ndarray = dataclasses.field(default_factory=lambda: np.empty((0, 0), np.int32))
    # [U, K] the only items to choose among, best first, 0 = padding; [0, 0] chooses among all

    @classmethod
    def of(
        cls,
        policy: Policy,
        dataset: Dataset,
        train: Interactions,
        state_size: int,
        proposals: np.ndarray | None = None,
    ) -> Self:
        """Gather what a policy fitted on `train` needs; `proposals` [U, K] if it re-ranks them."""
        return cls(
            version=np.array(VERSION),
            dataset=np.array(dataset.name),
            fingerprint=np.array(dataset.interactions.fingerprint),
            users=train.users.raw,
            items=train.items.raw,
            titles=dataset.titles,
            history=train.liked_histories(state_size),
            # All that was rated, test ratings too: it is no news to the user.
            seen_offsets=dataset.interactions.offsets,
            seen_items=dataset.interactions.item,
            user_vectors=policy.user,
            item_vectors=policy.item,
            weights=policy.weights(),
            **({} if proposals is None else {"proposals": proposals}),
        )

    def save(self, path: pathlib.Path) -> None:
        """Write it, whole or not at all."""
        arrays = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        weights = arrays.pop("weights")
        if not self.reranks:
            del arrays["proposals"]
        with replaced(path) as side, side.open("wb") as file:
            np.savez_compressed(file, **arrays, **{f"weights/{k}": v for k, v in weights.items()})

    @classmethod
    def load(cls, path: pathlib.Path) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: there is no such file, or it is damaged, or of another version.
        """
        if not path.exists():
            raise InputError(
                f"Expected a trained run with {path}. Received: none. Finish its training first: "
                "python train.py --resume RUN."
            )
        arrays = read_arrays(path, "a whole export", "Train the run again.")
        if int(arrays.get("version", -1)) != VERSION:
            raise InputError(
                f"Expected an export of version {VERSION} in {path}. "
                f"Received: {arrays.get('version')}. Train the run again."
            )
        prefix = "weights/"
        weights = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        plain = {k: v for k, v in arrays.items() if not k.startswith(prefix)}
        named = {f.name for f in dataclasses.fields(cls)} - {"weights"}
        if plain.keys() | {"proposals"} != named:
            raise InputError(
                f"Expected a whole export in {path}. Received: arrays {sorted(plain)}. "
                "Train the run again."
            )
        return cls(**plain, weights=weights)

    @property
    def reranks(self) -> bool:
        """Whether the policy chooses among proposals alone."""
        return self.proposals.size > 0

    def user(self, raw: str) -> int:
        """The dense id of a raw one; InputError if unknown."""
        return IdMap(self.users, "user").dense(raw)

    def seen(self, user: int) -> np.ndarray:
        """Item ids that the user has rated."""
        return self.seen_items[self.seen_offsets[user] : self.seen_offsets[user + 1]]
