"""Matrix factorisation as a recommender: the models that the agent's vectors come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from drrec.embeddings.variational import fit_variational

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.embeddings.table import Embeddings


class _Factorisation:
    uses_history = False

    def __init__(self, dim: int, seed: int = 0) -> None:
        """D `dim` and the start's seed."""
        self.dim = dim
        self.seed = seed

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """[B], [B, L], [B, C] or None -> [B, C] or [B, I]: the dot products."""
        vectors = self._embeddings.user[users]  # [B, D]
        if candidates is None:
            return vectors @ self._embeddings.item.T
        return np.einsum("bd,bcd->bc", vectors, self._embeddings.item[candidates])

    _embeddings: Embeddings


class PMF(_Factorisation):
    """Probabilistic matrix factorisation by gradient descent (`models.pmf`)."""

    def __init__(self, dim: int = 65, seed: int = 0) -> None:
        """64 factors and a bias, unless told otherwise."""
        super().__init__(dim, seed)

    def fit(self, train: Interactions) -> Self:
        """Learn from `train`."""
        from drrec.embeddings.pmf import fit_pmf  # loads Keras, which other baselines do not need

        self._embeddings = fit_pmf(train, dim=self.dim, seed=self.seed)
        return self


class VariationalMF(_Factorisation):
    """Variational Bayesian matrix factorisation (`models.variational`)."""

    def __init__(self, dim: int = 16, seed: int = 0) -> None:
        """16 factors, unless told otherwise."""
        super().__init__(dim, seed)

    def fit(self, train: Interactions) -> Self:
        """Learn from `train`."""
        self._embeddings = fit_variational(train, dim=self.dim, seed=self.seed)
        return self

    @property
    def rating_offset(self) -> float:
        """What makes a score a rating: the mean that vectors were fitted beside."""
        return self._embeddings.mean
