"""What pre-training leaves: a vector for each item, and for each user with and without a block.

The environment hands out ratings block by block. A user vector fitted on the very ratings that
are handed out already knows the answers, and an agent trained on it learns to trust it too much.
So each user has 1 + K vectors: one that knows all of the user's training ratings, used in
evaluation, and K that each know all but one block, used while that block is handed out
(stacking; Wolpert 1992).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Self

import numpy as np

from drrec.errors import InputError
from drrec.files import replaced

if TYPE_CHECKING:
    import pathlib

    from drrec.data.interactions import Interactions


@dataclasses.dataclass(frozen=True, eq=False)
class Embeddings:
    """rating(u, i) ≈ mean + user[u, 0]·item[i]."""

    item: np.ndarray  # [I, D] float32, row 0 is padding and zero
    user: np.ndarray  # [U, 1 + K, D] float32
    mean: float
    fingerprint: str  # of the interactions it was fitted on

    @property
    def num_folds(self) -> int:
        """K."""
        return self.user.shape[1] - 1

    @property
    def dim(self) -> int:
        """D."""
        return self.item.shape[1]

    @property
    def user_rows(self) -> np.ndarray:
        """[U * (1 + K), D]; row u * (1 + K) is user u with nothing held out."""
        return self.user.reshape(-1, self.dim)

    def save(self, path: str | pathlib.Path) -> None:
        """Write one `.npz`, whole or not at all."""
        with replaced(path) as side, side.open("wb") as file:
            np.savez(file, **{f.name: getattr(self, f.name) for f in dataclasses.fields(self)})

    @classmethod
    def load(cls, path: str | pathlib.Path, fingerprint: str) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: no such file, a broken one, or one fitted on other ratings.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                loaded = cls(
                    item=arrays["item"],
                    user=arrays["user"],
                    mean=float(arrays["mean"]),
                    fingerprint=str(arrays["fingerprint"]),
                )
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise InputError(
                f"Expected embeddings in {path}. Received: {error}. Run `python run.py embed` again."
            ) from error
        if loaded.fingerprint != fingerprint:
            raise InputError(
                f"Expected embeddings fitted on ratings {fingerprint[:12]}. "
                f"Received: {path}, fitted on {loaded.fingerprint[:12]}. "
                "Run `python run.py embed` for this data set and split."
            )
        return loaded


def time_blocks(train: Interactions, num_blocks: int) -> np.ndarray:
    """[R] which of K equal blocks of its user's time each rating lies in: 0 … K−1."""
    rank = np.arange(len(train)) - train.offsets[train.user]
    return (rank * num_blocks // train.counts()[train.user]).astype(np.int32)
