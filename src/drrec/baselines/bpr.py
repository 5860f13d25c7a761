"""BPR: matrix factorisation with a pairwise ranking loss (Rendle et al. 2009)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import scipy.sparse as sp
import scipy.special

from drrec.base import Recommender
from drrec.baselines.neighbours import taken
from drrec.embeddings.table import Levels, folded_in
from drrec.scoring import products

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drrec.data.interactions import Interactions

_START_DEVIATION = 0.1


class BPR(Recommender):
    """Bayesian personalised ranking: factors with a pairwise loss (Rendle et al. 2009).

        maximise Σ ln σ(p_u·(q_i − q_j) + b_i − b_j) − l2/2 (‖p_u‖² + ‖q_i‖² + ‖q_j‖²)

    over the interactions (u, i), shuffled in each epoch, each with a negative item j sampled
    uniformly among those that u has not interacted with. Ratings are ignored. The optimizer is
    Adagrad (Duchi et al. 2011) with one step size per embedding row.

    Items without interactions get the mean of their embeddings, users without interactions the
    mean of all other users.

    Args:
        dim: number of factors, item bias excluded.
        num_epochs: number of epochs.
        learning_rate: Adagrad learning rate.
        l2: L2 penalty.
        batch_size: pairs in a batch.
        seed: random seed of initialisation, shuffling and negative sampling.

    Examples:
        >>> import drrec, pandas as pd
        >>> log = pd.DataFrame({"user": list("aabbbcc"), "item": list("xyxyzyz")})
        >>> model = drrec.BPR(dim=4, num_epochs=20).fit(drrec.Dataset.from_pandas(log))
        >>> model.recommend(["a"], k=1)["item"].tolist()
        ['z']
    """

    is_random = True

    def __init__(
        self,
        dim: int = 64,
        num_epochs: int = 60,
        learning_rate: float = 0.1,
        l2: float = 0.01,
        batch_size: int = 1024,
        seed: int = 0,
    ) -> None:
        if min(dim, num_epochs, batch_size) < 1 or learning_rate <= 0 or l2 < 0:
            raise ValueError(
                "Expected `dim`, `num_epochs` and `batch_size` >= 1, `learning_rate` > 0 and "
                f"`l2` >= 0. Received: {dim}, {num_epochs}, {batch_size}, {learning_rate} and {l2}."
            )
        self.dim = dim
        self.num_epochs = num_epochs
        self.learning_rate = learning_rate
        self.l2 = l2
        self.batch_size = batch_size
        self.seed = seed

    def _fit(self, train: Interactions) -> None:
        """Fit on the interactions of `train`."""
        rng = np.random.default_rng(self.seed)
        user = _Table.drawn(rng, train.num_users, self.dim)
        item = _Table.drawn(rng, train.num_items, self.dim)
        user.value[:, -1] = 1  # what the items' biases are multiplied by
        item.value[:, -1] = 0
        untaken = _Untaken(train)
        for _ in range(self.num_epochs):
            for triple in _epoch(train, untaken, rng, self.batch_size):
                climbs = gradients(user.value, item.value, *triple, self.l2)
                for table, (row, gradient) in zip((user, item), climbs, strict=True):
                    table.step(row, gradient, self.learning_rate)
        never_taken = np.bincount(train.item, minlength=train.num_items)[1:] == 0
        _share_mean(item.value[1:], never_taken, of=never_taken)
        _share_mean(user.value, train.counts() == 0, of=train.counts() > 0)
        self._user, self._item = user.value, item.value
        self._levels = Levels.of(self._user, self._item, train)

    def _folded_in(self, log: Interactions, liked: np.ndarray) -> Self:
        levels, other = self._levels, copy.copy(self)
        target = np.full(len(liked), levels.liked)
        rows = self._item[liked]
        other._user = folded_in(self._user, rows, target, levels.noise_variance)[None]
        return other

    def _queries(self, users: np.ndarray, histories: np.ndarray) -> np.ndarray:
        return self._user[users]

    def _answers(self) -> np.ndarray:
        return self._item

    def _item_vectors(self) -> np.ndarray:
        return self._item[:, :-1]

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """p_u·q_i + b_i, [B, C] or [B, I]; see `Recommender.score`."""
        return products(self._user[users], self._item, candidates)


def _share_mean(vectors: np.ndarray, to: np.ndarray, of: np.ndarray) -> None:
    if to.any():
        vectors[to] = vectors[of].mean(axis=0)


class Climb(NamedTuple):
    """Where the objective rises."""

    row: np.ndarray  # [n] may repeat: then gradients add up
    gradient: np.ndarray  # [n, D + 1]


def gradients(
    user: np.ndarray,
    item: np.ndarray,
    who: np.ndarray,
    liked: np.ndarray,
    other: np.ndarray,
    l2: float,
) -> tuple[Climb, Climb]:
    """Of Σ ln σ(p·(q − r)) − l2/2 (‖p‖² + ‖q‖² + ‖r‖²), after `user` and after `item`.

    Args:
        user: [U, D + 1], the last column 1, which stays.
        item: [I, D + 1], the last column the bias.
        who: [B] rows of `user`.
        liked: [B] rows of `item`.
        other: [B] rows of `item`.
        l2: the penalty.
    """
    p, q, r = user[who], item[liked], item[other]  # [B, D + 1]
    error = scipy.special.expit(-np.einsum("bd,bd->b", p, q - r))[:, None]  # [B, 1]
    of_user = error * (q - r) - l2 * p
    of_user[:, -1] = 0
    of_item = np.concatenate([error * p - l2 * q, -error * p - l2 * r])
    return Climb(who, of_user), Climb(np.concatenate([liked, other]), of_item)


class _Table(NamedTuple):
    value: np.ndarray  # [n, D + 1] float32
    squares: np.ndarray  # [n, 1] float32

    @classmethod
    def drawn(cls, rng: np.random.Generator, size: int, dim: int) -> Self:
        value = rng.normal(0, _START_DEVIATION, (size, dim + 1)).astype(np.float32)
        return cls(value, np.full((size, 1), 1e-6, np.float32))

    def step(self, row: np.ndarray, gradient: np.ndarray, learning_rate: float) -> None:
        """Climb along `gradient [B, D + 1]`, that of `row [B]`, which may repeat."""
        order = np.argsort(row, kind="stable")
        first = np.flatnonzero(np.diff(row[order], prepend=-1))
        rows = row[order[first]]
        ends = np.append(first, len(row))
        ones = np.ones(len(row), np.float32)
        gather = sp.csr_array((ones, order, ends), (len(rows), len(row)))
        total = gather @ gradient
        self.squares[rows] += np.mean(total**2, axis=1, keepdims=True)
        self.value[rows] += learning_rate * total / np.sqrt(self.squares[rows])


class _Untaken:
    """Draws evenly among the items that a user did not take, without trying and failing."""

    def __init__(self, train: Interactions) -> None:
        table = taken(train)
        self._num_items = train.num_items
        self._first = table.indptr.astype(np.int64)
        self.count = train.num_items - 1 - np.diff(self._first)  # [U]
        user = np.repeat(np.arange(train.num_users), np.diff(self._first))
        before = table.indices - 1 - (np.arange(table.nnz) - self._first[user])
        # Of each user's items in turn: how many that were not taken come before it.
        self._before = user * self._num_items + before

    def drawn(self, user: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """[B] one item for each of `user [B]`, all of whom have `count` > 0."""
        place = rng.integers(0, self.count[user])  # among those not taken
        key = user.astype(np.int64) * self._num_items + place
        passed = np.searchsorted(self._before, key, side="right") - self._first[user]
        return 1 + place + passed


def _epoch(
    train: Interactions, untaken: _Untaken, rng: np.random.Generator, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    order = rng.permutation(np.flatnonzero(untaken.count[train.user]))
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        user = train.user[batch]
        yield user, train.item[batch], untaken.drawn(user, rng)
