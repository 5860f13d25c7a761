"""Sums of outer products over the entries of sparse rows: what least squares needs of a log.

A log of n entries with vectors of width D costs n · D² multiplications. What is kept is D² numbers
for each row of a block, never for each user or item of a large log.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from drrec.limits import num_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import scipy.sparse as sp

ROWS_AT_ONCE = 2048
"""Rows whose sums are in memory at once."""

MOST_OUTER = 2**28
"""Bytes of all outer products up to which they are kept, and rows are sums of them.

The sums of larger logs are matrix products of each row's vectors, which are ten times as fast and
differ in the last bit.
"""

ENTRIES_AT_ONCE = 2**18
"""Entries of a sparse matrix whose vectors are in memory at once."""


class Grams:
    """Σ_j w_ij x_j x_jᵀ for rows i of sparse weights, over vectors x."""

    def __init__(self, vectors: np.ndarray) -> None:
        """`vectors [m, D]` float64."""
        self._vectors = vectors
        self._dim = vectors.shape[1]
        self._outer: np.ndarray | None = None
        if len(vectors) * self._dim**2 * 8 <= MOST_OUTER:
            outer = vectors[:, :, None] * vectors[:, None, :]
            self._outer = outer.reshape(len(vectors), -1)  # [m, D²]

    def sums(self, weights: sp.csr_matrix) -> np.ndarray:
        """[n, D, D] of the rows of `weights [n, m]`."""
        if self._outer is not None:
            return (weights @ self._outer).reshape(-1, self._dim, self._dim)
        counts = np.diff(weights.indptr)
        found = np.zeros((len(counts), self._dim, self._dim))
        for rows in _alike(counts):
            longest = counts[rows[0]]
            for start in range(0, longest, ENTRIES_AT_ONCE):
                width = min(longest - start, ENTRIES_AT_ONCE)
                column = start + np.arange(width)
                is_entry = column < counts[rows, None]  # [R, width]
                place = np.where(is_entry, weights.indptr[rows, None] + column, 0)
                vectors = self._vectors[weights.indices[place]]  # [R, width, D]
                weighted = vectors * np.where(is_entry, weights.data[place], 0)[:, :, None]
                found[rows] += weighted.transpose(0, 2, 1) @ vectors
        return found


def row_blocks(num_rows: int, at_once: int | None = None) -> Iterator[slice]:
    """Cut `num_rows` rows into blocks, by default of `ROWS_AT_ONCE`."""
    size = at_once or ROWS_AT_ONCE
    for start in range(0, num_rows, size):
        yield slice(start, min(start + size, num_rows))


def in_threads(work: Callable[[slice], None], blocks: Iterable[slice]) -> None:
    """Have each block worked on by one of as many threads as NumPy has (`OMP_NUM_THREADS`).

    What `work` raises is raised here. No sum goes over blocks, so threads change no bit.
    """
    from concurrent.futures import ThreadPoolExecutor

    asked = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(asked) if asked.isdecimal() else num_cores()
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        for _ in pool.map(work, blocks):
            pass


def _alike(counts: np.ndarray) -> Iterator[np.ndarray]:
    """Groups of rows with about as many entries each, which padding makes equal, longest first."""
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    start = 0
    while start < len(order):
        longest = counts[order[start]]
        size = max(1, ENTRIES_AT_ONCE // int(longest))
        # Half as long at least: padding costs no more than what is padded.
        fewer = np.searchsorted(-counts[order], -(longest // 2), side="right")
        end = max(start + 1, min(start + size, int(fewer)))
        yield order[start:end]
        start = end
