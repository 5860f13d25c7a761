"""What pre-training leaves: a vector for each user and each item."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Self

import numpy as np

from drrec.errors import InputError
from drrec.files import replaced

if TYPE_CHECKING:
    import pathlib


@dataclasses.dataclass(frozen=True, eq=False)
class Embeddings:
    """rating(u, i) ≈ mean + user[u]·item[i], up to a constant for each user."""

    item: np.ndarray  # [I, D] float32, row 0 is padding and zero
    user: np.ndarray  # [U, D] float32
    mean: float
    fingerprint: str  # of the interactions it was fitted on

    @property
    def dim(self) -> int:
        """D."""
        return self.item.shape[1]

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
