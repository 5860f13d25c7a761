"""What passes between TensorFlow's process and PyTorch's: requests one way, scores the other."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.arrays import read_arrays, write_arrays
from drrec.errors import InputError

if TYPE_CHECKING:
    import os

_MEND = "Write the requests again, and score them."
_ASKED = {
    "fingerprint": "str []",
    "history": "int32 [B, L]",
    "candidates": "int32 [B, C]",
    "titles": "str [I]",
}
_ANSWERED = {"fingerprint": "str []", "requests": "str []", "scores": "float32 [B, C]"}


class Requests(NamedTuple):
    """Histories and candidates to score, of the split whose training log has the fingerprint."""

    fingerprint: str
    history: np.ndarray  # [B, L] int32, most recent last, left-padded with 0
    candidates: np.ndarray  # [B, C] int32, 0 = padding; [B, 0] asks for the whole catalogue
    titles: np.ndarray  # [I] str

    @property
    def sha256(self) -> str:
        """Of all that is asked."""
        digest = hashlib.sha256(self.fingerprint.encode())
        for array in (self.history, self.candidates):
            digest.update(f"{array.shape}".encode() + np.ascontiguousarray(array, "<i4").tobytes())
        digest.update("\0".join(self.titles.tolist()).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    @property
    def width(self) -> int:
        """Scores in a row."""
        return self.candidates.shape[1] or len(self.titles)


def write_requests(path: str | os.PathLike[str], requests: Requests) -> None:
    """Write what `read_requests` reads."""
    write_arrays(path, requests._asdict() | {"fingerprint": np.array(requests.fingerprint)})


def read_requests(path: str | os.PathLike[str]) -> Requests:
    """Read requests.

    Raises:
        InputError: the file is missing or damaged.
    """
    arrays = read_arrays(path, "requests", _MEND, _ASKED)
    others = (arrays[name] for name in ("history", "candidates", "titles"))
    requests = Requests(str(arrays["fingerprint"]), *others)
    for name in ("history", "candidates"):
        items = arrays[name]
        if items.size and not 0 <= items.min() <= items.max() < len(requests.titles):
            raise InputError(
                f"Expected requests in {path}. Received: {name} with an unknown item. {_MEND}"
            )
    return requests


def write_scores(path: str | os.PathLike[str], requests: Requests, scores: np.ndarray) -> None:
    """Write `scores [B, C]` of requests."""
    bound = {"fingerprint": np.array(requests.fingerprint), "requests": np.array(requests.sha256)}
    write_arrays(path, bound | {"scores": scores.astype(np.float32)})


def read_scores(path: str | os.PathLike[str], requests: Requests) -> np.ndarray:
    """[B, C] float32 scores of these requests.

    Raises:
        InputError: the file is missing or damaged, or answers others.
    """
    sizes = {"B": len(requests.history), "C": requests.width}
    arrays = read_arrays(path, "scores", _MEND, _ANSWERED, **sizes)
    if str(arrays["fingerprint"]) != requests.fingerprint:
        raise InputError(
            f"Expected scores of this split in {path}. Received: those of another. {_MEND}"
        )
    if str(arrays["requests"]) != requests.sha256:
        raise InputError(
            f"Expected scores of these requests in {path}. Received: those of others. {_MEND}"
        )
    return arrays["scores"]
