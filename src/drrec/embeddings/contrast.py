"""Content vectors by contrast: from what a user took up, told apart from the rest of the catalogue.

An encoder that is fitted to a factorisation's loss says what the factorisation would say. This one
is fitted to what is asked of it: half of a user's items, known by their content alone, have to pick
the other half out of the catalogue, by a softmax (as in two-tower models and CLCRec, Wei et al.
2021, without ids). An item that nobody has taken up has a vector like any other.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np
import scipy.sparse
import tensorflow as tf
from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drrec.data.interactions import Interactions
    from drrec.embeddings.table import Embeddings
    from drrec.features.store import Modality

DIM = 32
_STEPS = 600
_BATCH = 256  # users
_MOST_ITEMS = 8_192  # of the catalogue in one softmax
_DROPOUT = 0.5
_LEARNING_RATE = 1e-3
_L2 = 1e-4
_LEAST_DEVIATION = 1e-3


class ContrastEncoder(NamedTuple):
    """Linear maps of standardised features to vectors of length 1."""

    mean: np.ndarray  # [F], F all features of all modalities side by side
    deviation: np.ndarray  # [F]
    as_item: np.ndarray  # [F, DIM]
    as_history: np.ndarray  # [F, DIM]
    centre: np.ndarray  # [DIM] mean vector of the items it was fitted to
    scale: float = 1.0
    """Factor on users' vectors, so that both parts of a table speak as loudly."""

    def item_vectors(self, modalities: Sequence[Modality]) -> np.ndarray:
        """[I, DIM] float32, 0 for an item without any modality: what an average item has."""
        features, present = _features(modalities)
        vectors = _unit(self._standard(features, present) @ self.as_item) - self.centre
        is_known = np.asarray(present.any(axis=1))
        return np.where(is_known[:, None], vectors, 0).astype(np.float32)

    def history_vectors(self, modalities: Sequence[Modality]) -> np.ndarray:
        """[I, DIM] what each item adds to the vectors of those who like it."""
        return _unit(self._standard(*_features(modalities)) @ self.as_history)

    def user_vectors(self, modalities: Sequence[Modality], log: Interactions) -> np.ndarray:
        """[U, DIM] float32 of what each user liked, 0 for nothing."""
        history = self.history_vectors(modalities)
        return (self.scale * _unit(_liked(log) @ history)).astype(np.float32)

    def beside(
        self, table: Embeddings, modalities: Sequence[Modality], log: Interactions
    ) -> tuple[np.ndarray, np.ndarray]:
        """Items [I, DIM + D] and users [U, DIM + D]: these vectors, then the table's."""
        item = np.concatenate([self.item_vectors(modalities), table.item], axis=1)
        user = np.concatenate([self.user_vectors(modalities, log), table.user], axis=1)
        return item, user

    def as_loud_as(
        self, table: Embeddings, modalities: Sequence[Modality], log: Interactions, weight: float
    ) -> ContrastEncoder:
        """With a scale by which its scores vary `weight` times as much as the table's do."""
        own = self._replace(scale=1.0)
        alone = dataclasses.replace(
            table, item=own.item_vectors(modalities), user=own.user_vectors(modalities, log)
        )
        scale = weight * table.spread(log) / max(alone.spread(log), 1e-9)
        return self._replace(scale=float(scale))

    def _standard(self, features: np.ndarray, present: np.ndarray) -> np.ndarray:
        return _masked((features - self.mean) / self.deviation, present)


def fit_contrast(train: Interactions, modalities: Sequence[Modality], seed: int) -> ContrastEncoder:
    """Fit on the users who liked at least two items that have content.

    Args:
        train: the log to learn from.
        modalities: M of them, of all items.
        seed: of the start, the halves and the dropout.
    """
    rng = np.random.default_rng(seed)
    features, present = _features(modalities)
    known = np.flatnonzero(np.bincount(train.item, minlength=train.num_items) > 0)
    known = known[present[known].any(axis=1)]
    mean, deviation = _moments(features[known], present[known])
    standard = _masked((features - mean) / deviation, present).astype(np.float32)
    liked = _liked(train)[:, known].tocsr()
    users = np.flatnonzero(np.diff(liked.indptr) >= 2)
    keras.utils.set_random_seed(seed)
    start = keras.initializers.RandomNormal(stddev=features.shape[1] ** -0.5, seed=seed)
    shape = features.shape[1], DIM
    as_item, as_history = (tf.Variable(start(shape)) for _ in range(2))
    bias, log_scale = tf.Variable(tf.zeros(len(known))), tf.Variable(np.log(10.0), dtype=tf.float32)
    learned = [as_item, as_history, bias, log_scale]
    optimizer = keras.optimizers.Adam(_LEARNING_RATE)
    optimizer.build(learned)

    @tf.function(reduce_retracing=True)
    def advance(rows: tf.Tensor, items: tf.Tensor, history: tf.Tensor, target: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            dropped = tf.nn.dropout(rows, _DROPOUT)
            vectors = tf.math.l2_normalize(dropped @ as_item, axis=1)
            taken = tf.math.l2_normalize(dropped @ as_history, axis=1)
            user = tf.math.l2_normalize(history @ taken, axis=1)
            logits = tf.exp(log_scale) * (user @ tf.transpose(vectors)) + tf.gather(bias, items)
            logits -= 1e9 * history  # what is given is not asked for
            share = target / tf.reduce_sum(target, axis=1, keepdims=True)
            loss = -tf.reduce_mean(tf.reduce_sum(share * tf.nn.log_softmax(logits), axis=1))
            loss += _L2 * tf.add_n([tf.reduce_sum(each**2) for each in learned[:3]])
        optimizer.apply(tape.gradient(loss, learned), learned)

    for _ in tqdm(range(_STEPS if len(users) else 0), desc="contrast", unit="step", leave=False):
        batch = liked[rng.choice(users, min(_BATCH, len(users)), replace=False)]
        chosen = _chosen(batch, len(known), rng)
        halves = [half[:, chosen].toarray() for half in _halves(batch, rng)]
        rows = standard[known[chosen]]
        advance(tf.constant(rows), tf.constant(chosen), *(tf.constant(half) for half in halves))
    weights = as_item.numpy(), as_history.numpy()
    centre = _unit(standard[known] @ weights[0]).sum(axis=0) / max(len(known), 1)
    return ContrastEncoder(mean, deviation, *weights, centre)


def _halves(
    batch: scipy.sparse.csr_matrix, rng: np.random.Generator
) -> tuple[scipy.sparse.csr_matrix, scipy.sparse.csr_matrix]:
    """Each row's items, divided by chance into two halves of which neither is empty."""
    size = np.diff(batch.indptr)
    row = np.repeat(np.arange(len(size)), size)
    order = np.lexsort((rng.random(batch.nnz), row))
    place = np.empty(batch.nnz, np.int64)
    place[order] = np.arange(batch.nnz) - batch.indptr[row]
    is_given = place < (size // 2)[row]
    column = (row, batch.indices)
    return tuple(
        scipy.sparse.csr_matrix((half.astype(np.float32), column), batch.shape)
        for half in (is_given, ~is_given)
    )  # type: ignore[return-value]


def _chosen(batch: scipy.sparse.csr_matrix, count: int, rng: np.random.Generator) -> np.ndarray:
    """The catalogue, or of a large one what the batch holds and others drawn beside."""
    if count <= _MOST_ITEMS:
        return np.arange(count)
    others = rng.choice(count, _MOST_ITEMS, replace=False)
    return np.union1d(np.unique(batch.indices), others)


def _liked(log: Interactions) -> scipy.sparse.csr_matrix:
    """[U, I] 1 where the user liked the item."""
    kept = log.liked if log.liked.any() else np.ones(len(log), bool)
    ones = np.ones(int(kept.sum()), np.float32)
    shape = log.num_users, log.num_items
    table = scipy.sparse.csr_matrix((ones, (log.user[kept], log.item[kept])), shape)
    table.data[:] = 1
    return table


def _features(modalities: Sequence[Modality]) -> tuple[np.ndarray, np.ndarray]:
    """[I, F] side by side, and [I, F] whether there is any."""
    features = np.concatenate([each.features for each in modalities], axis=1)
    present = [np.repeat(m.present[:, None], m.features.shape[1], axis=1) for m in modalities]
    return features, np.concatenate(present, axis=1)


def _moments(features: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = np.maximum(present.sum(axis=0), 1)
    mean = _masked(features, present).sum(axis=0) / count
    variance = _masked((features - mean) ** 2, present).sum(axis=0) / count
    return mean, np.maximum(np.sqrt(variance), _LEAST_DEVIATION)


def _masked(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    return np.where(present, values, 0)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
