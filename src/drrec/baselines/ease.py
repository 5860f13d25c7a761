"""EASE: every item as a linear combination of all others, in closed form (Steck 2019)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Self

import numpy as np
import scipy.linalg

from drrec.base import Recommender
from drrec.baselines.neighbours import confidences
from drrec.errors import InputError
from drrec.scoring import in_batches

if TYPE_CHECKING:
    import scipy.sparse as sp

    from drrec.data.interactions import Interactions

_BYTES = 8 + 4
"""Peak memory of a pair of items: the inverse and the float32 weights."""

_COLUMNS_AT_ONCE = 512


class EASE(Recommender):
    """Embarrassingly shallow autoencoder (Steck, *WWW* 2019, equation 8).

        score(u) = x_u B,  min ‖X − X B‖² + l2 ‖B‖²  with diag(B) = 0
        P = (XᵀX + l2 · 1)⁻¹,  B_ij = −P_ij / P_jj

    X [U, I] is 1, or the weight of the row, where the user interacted with the item, whatever the
    rating. Items without interactions score 0; for a user without interactions all items do.

    Args:
        l2: λ, the L2 penalty.
        max_memory_gb: memory limit of fitting; a catalogue of n items takes 12 n² bytes.
        seed: unused; the model is deterministic.

    Examples:
        >>> import drrec, pandas as pd
        >>> log = pd.DataFrame({"user": list("aabbbcc"), "item": list("xyxyzyz")})
        >>> model = drrec.EASE(l2=1.0).fit(drrec.Dataset.from_pandas(log))
        >>> model.recommend(["a"], k=1)["item"].tolist()
        ['z']
    """

    def __init__(self, l2: float = 100.0, max_memory_gb: float = 8.0, seed: int = 0) -> None:
        if not (l2 > 0 and max_memory_gb > 0):
            raise ValueError(
                f"Expected `l2` > 0 and `max_memory_gb` > 0. Received: {l2} and {max_memory_gb}. "
                "Without a penalty the Gram matrix of items may be singular."
            )
        self.l2 = l2
        self.max_memory_gb = max_memory_gb
        self.seed = seed

    def _fit(self, train: Interactions) -> None:
        """Invert the items' Gram matrix.

        Raises:
            InputError: the catalogue is too large for `max_memory_gb`.
        """
        self._items = np.flatnonzero(np.bincount(train.item, minlength=train.num_items))  # [n]
        self._check_fits(len(self._items))
        self._num_items = train.num_items
        self._taken = self._taken_by(train)
        self._weight = _weights(_inverse(self._taken, self.l2))

    @in_batches
    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """x_u B, [B, C] or [B, I]; see `Recommender.score`."""
        score = np.zeros((len(users), self._num_items), np.float32)  # [B, I]
        score[:, self._items] = self._taken[users] @ self._weight
        if candidates is not None:
            score = np.take_along_axis(score, candidates.astype(np.intp), axis=1)
        return score

    def _taken_by(self, log: Interactions) -> sp.csr_array:
        """[U, n] float32, like the weights: another type would copy them in each product."""
        return confidences(log)[:, self._items].astype(np.float32)

    def _shares(self, user: int, item: int) -> tuple[np.ndarray, np.ndarray]:
        own, column = self._taken[[user]], np.flatnonzero(self._items == item)
        weight = self._weight[own.indices, column[0]] if len(column) else np.zeros(own.nnz)
        return self._items[own.indices], own.data * weight

    def _folded_in(self, log: Interactions, liked: np.ndarray) -> Self:
        other = copy.copy(self)
        other._taken = self._taken_by(log.where(log.liked))
        return other

    def _check_fits(self, size: int) -> None:
        needed = _BYTES * size**2 / 1e9
        if needed > self.max_memory_gb:
            raise InputError(
                f"Expected a catalogue whose inverse takes at most {self.max_memory_gb:g} GB for "
                f"EASE. Received: {size:,} items with rows, which take {needed:,.1f} GB. Allow "
                "that by `max_memory_gb`, leave rare items out, or take item_knn or --embedding "
                "implicit (iALS), which need memory for what there is alone."
            )


def _inverse(taken: sp.csr_array, l2: float) -> np.ndarray:
    """[n, n] (XᵀX + l2)⁻¹ in the memory of XᵀX; only the upper triangle holds it."""
    size = taken.shape[1]
    gram = np.empty((size, size), order="F")
    transposed = taken.T.tocsr()
    columns = taken.tocsc()
    for block in _blocks(size):
        gram[:, block] = (transposed @ columns[:, block]).toarray()
    gram.flat[:: size + 1] += l2
    factor, _ = scipy.linalg.lapack.dpotrf(gram, overwrite_a=True)
    inverse, _ = scipy.linalg.lapack.dpotri(factor, overwrite_c=True)
    return inverse


def _weights(inverse: np.ndarray) -> np.ndarray:
    """[n, n] float32 B, from the upper triangle of P [n, n]."""
    diagonal = inverse.diagonal().copy()
    weight = np.empty(inverse.shape, np.float32)
    for block in _blocks(len(inverse)):
        upper, own = inverse[: block.start, block], np.triu(inverse[block, block], 1)
        weight[: block.start, block] = upper / -diagonal[block]
        weight[block, block] = (own + own.T) / -diagonal[block]
        weight[block, : block.start] = upper.T / -diagonal[: block.start]
    return weight


def _blocks(size: int) -> list[slice]:
    starts = range(0, size, _COLUMNS_AT_ONCE)
    return [slice(start, min(start + _COLUMNS_AT_ONCE, size)) for start in starts]
