"""Matrix factorisation as baselines: the models that pre-train the agents' embeddings."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Self

import numpy as np

from drrec.base import Recommender
from drrec.embeddings.variational import NOISE_PRECISION, fit_variational
from drrec.scoring import products

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.embeddings.table import Embeddings


class _Factorisation(Recommender):
    is_random = True
    _embeddings: Embeddings

    def __init__(self, dim: int, seed: int = 0) -> None:
        """`dim` D and the seed of the initialisation."""
        self.dim = dim
        self.seed = seed

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """Dot products, [B, C] or [B, I]; see `Recommender.score`."""
        return products(self._embeddings.user[users], self._embeddings.item, candidates)

    def _folded_in(self, log: Interactions, liked: np.ndarray) -> Self:
        table = self._embeddings
        target = log.rating - table.mean
        user = table.prior.folded_in(table.item[log.item], target, 1 / NOISE_PRECISION)
        other = copy.copy(self)
        other._embeddings = dataclasses.replace(table, user=user[None])
        return other

    def _queries(self, users: np.ndarray, histories: np.ndarray) -> np.ndarray:
        return self._embeddings.user[users]

    def _answers(self) -> np.ndarray:
        return self._embeddings.item

    def _item_vectors(self) -> np.ndarray:
        return self._embeddings.item


class PMF(_Factorisation):
    """Probabilistic matrix factorisation by gradient descent (Salakhutdinov and Mnih 2007).

    Args:
        dim: D, the number of factors, item bias included.
        seed: random seed of initialisation and shuffling.

    Examples:
        >>> import drrec
        >>> model = drrec.PMF(dim=33, seed=1)
        >>> model.settings()
        {'dim': 33, 'seed': 1}
    """

    def __init__(self, dim: int = 65, seed: int = 0) -> None:
        super().__init__(dim, seed)

    def _fit(self, train: Interactions) -> None:
        """Factorise the ratings of `train`."""
        from drrec.embeddings.pmf import fit_pmf  # loads Keras, which other baselines do not need

        self._embeddings = fit_pmf(train, dim=self.dim, seed=self.seed)


class VariationalMF(_Factorisation):
    """Variational Bayesian matrix factorisation (Lim and Teh 2007).

    Args:
        dim: D, the number of factors.
        seed: random seed of the initialisation.

    Examples:
        >>> import drrec, pandas as pd
        >>> rating = [5, 1, 5, 1, 4, 1, 5, 1]
        >>> log = {"user": list("aabbbccc"), "item": list("xyxyzxyz"), "rating": rating}
        >>> model = drrec.VariationalMF(dim=2).fit(drrec.Dataset.from_pandas(pd.DataFrame(log)))
        >>> model.recommend(["a"], k=1)["item"].tolist()
        ['z']
    """

    def __init__(self, dim: int = 16, seed: int = 0) -> None:
        super().__init__(dim, seed)

    def _fit(self, train: Interactions) -> None:
        """Factorise the ratings of `train`."""
        self._embeddings = fit_variational(train, dim=self.dim, seed=self.seed)

    @property
    def rating_offset(self) -> float:
        """Global mean, which added to a score gives a rating."""
        return self._embeddings.mean
