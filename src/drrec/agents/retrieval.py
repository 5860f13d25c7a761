"""Which items an action is compared with in a large catalogue: those of the nearest clusters.

Two stages, as in an inverted file (Jégou et al. 2011): an action is compared with the mean of each
cluster, then with the items of the `probes` best ones. Clusters are the leaves of a tree of even
splits, so that all hold as many items and a step costs the same whatever the action is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import tensorflow as tf

from drrec.agents.items import ItemTable
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.agents.config import AgentConfig

RETRIEVED_FROM = 100_000
"""Items from which on `retrieval` auto takes clusters.

With fewer, 32 sessions are compared with the whole catalogue in less time than an update takes; see
docs/results/scale.md.
"""

LEAF = 512
"""Items of a cluster at most, on average three quarters of it."""

ROWS_AT_ONCE = 32
"""Actions whose candidates have their vectors in memory at once."""

_SPREAD = 0.5  # of a cluster's items around their mean, what the best may exceed it by
_ROUNDS = 6
_SAMPLED = 2_000


class Near(NamedTuple):
    """What an action is compared with."""

    items: tf.Tensor  # [B, P·M] int32, 0 where there is none or it is barred
    scores: tf.Tensor  # [B, P·M], −inf there
    clusters: tf.Tensor  # [B, P] int32


class ClusterIndex:
    """Finds the best available item of a large catalogue among the clusters nearest to an action.

    An item that no session may show is in no cluster.
    """

    def __init__(
        self, vectors: np.ndarray, is_showable: np.ndarray, probes: int, seed: int, leaf: int = 0
    ) -> None:
        """Split the catalogue.

        Args:
            vectors: [I, D] by which items are near one another.
            is_showable: [I] bool.
            probes: P, clusters that an action is compared with.
            seed: of the splits' starts.
            leaf: items of a cluster at most; 0 takes `LEAF`.
        """
        items = np.flatnonzero(is_showable)
        depth = max(0, math.ceil(math.log2(max(len(items), 1) / (leaf or LEAF))))
        # One more coordinate makes all items as long: what is near then has a large product
        # (Bachrach et al. 2014), and long items, which are everybody's neighbours, are together.
        length = np.sum(vectors[items] ** 2, axis=1)
        missing = np.sqrt(np.maximum(length.max(initial=0.0) - length, 0))
        points = np.concatenate([vectors[items], missing[:, None]], axis=1).astype(np.float32)
        groups = _even_tree(points, depth, np.random.default_rng(seed))
        width = max(len(group) for group in groups)
        members = np.full((len(groups), width), PADDING, np.int32)  # [K, M]
        for row, group in zip(members, groups, strict=True):
            row[: len(group)] = items[group]
        place = np.full(len(vectors), -1, np.int32)
        place[members] = np.arange(members.size, dtype=np.int32).reshape(members.shape)
        place[PADDING] = -1
        self.probes = min(probes, len(groups))
        self.width = width
        self._members, self._place = tf.constant(members), tf.constant(place)
        self._frozen = self._described(tf.constant(vectors, tf.float32))
        self._is_frozen = False

    @classmethod
    def chosen(
        cls, config: AgentConfig, vectors: np.ndarray, is_showable: np.ndarray, seed: int
    ) -> Self | None:
        """Of a catalogue as large, or settings, as call for it; None: it is looked through."""
        asked, size = config.retrieval, len(vectors)
        if asked == "exact" or (asked == "auto" and size < RETRIEVED_FROM):
            return None
        return cls(vectors, is_showable, config.probes, seed)

    @property
    def num_clusters(self) -> int:
        """K."""
        return int(self._members.shape[0])

    def follow(self, table: ItemTable) -> None:
        """Note whether `table` keeps the vectors that the clusters were made of."""
        self._is_frozen = type(table) is ItemTable

    def near(self, action: tf.Tensor, items: tf.Tensor, barred: tf.Tensor) -> Near:
        """The items of the nearest clusters.

        Args:
            action: [B, D].
            items: [I, D].
            barred: [B, n] int32 what may not be shown.
        """
        grouped, mean, spread = self._frozen if self._is_frozen else self._described(items)
        coarse = tf.matmul(action, mean, transpose_b=True)  # [B, K]
        coarse += _SPREAD * tf.norm(action, axis=1, keepdims=True) * spread
        clusters = tf.math.top_k(coarse, self.probes, sorted=False).indices  # [B, P]
        members = tf.gather(self._members, clusters)  # [B, P, M]
        scores = tf.einsum("bd,bpmd->bpm", action, tf.gather(grouped, clusters))
        is_left = (members != PADDING) & ~self._is_barred(clusters, barred)
        shape = [-1, self.probes * self.width]
        found = tf.where(is_left, members, PADDING)
        scores = tf.where(is_left, scores, -float("inf"))
        return Near(tf.reshape(found, shape), tf.reshape(scores, shape), clusters)

    def best(self, action: tf.Tensor, items: tf.Tensor, barred: tf.Tensor) -> tf.Tensor:
        """[B] int32 the item of the nearest clusters with the highest score; see `near`."""
        size = int(action.shape[0])
        rows = math.gcd(size, ROWS_AT_ONCE)
        if rows == size:
            return self._best(action, items, barred)
        parts = [tf.reshape(x, [size // rows, rows, x.shape[1]]) for x in (action, barred)]
        found = tf.map_fn(
            lambda part: self._best(part[0], items, part[1]),
            tuple(parts),
            fn_output_signature=tf.TensorSpec([rows], tf.int32),
        )
        return tf.reshape(found, [size])

    def is_outside(self, clusters: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
        """[B, S] bool: which of `drawn [B, S]` are in none of `clusters [B, P]`."""
        own = tf.gather(self._place, drawn) // self.width
        return ~tf.reduce_any(own[:, :, None] == clusters[:, None, :], axis=2)

    def _best(self, action: tf.Tensor, items: tf.Tensor, barred: tf.Tensor) -> tf.Tensor:
        found = self.near(action, items, barred)
        place = tf.argmax(found.scores, axis=1, output_type=tf.int32)
        return tf.gather(found.items, place, batch_dims=1)

    def _described(self, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """[K, M, D] vectors by cluster, [K, D] their means and [K] their spread."""
        grouped = tf.gather(items, self._members)
        is_item = tf.cast(self._members != PADDING, tf.float32)[:, :, None]
        count = tf.reduce_sum(is_item, axis=1)  # [K, 1]
        mean = tf.reduce_sum(grouped * is_item, axis=1) / count
        off = (grouped - mean[:, None]) * is_item
        return grouped, mean, tf.sqrt(tf.reduce_sum(off**2, axis=[1, 2]) / count[:, 0])

    def _is_barred(self, near: tf.Tensor, barred: tf.Tensor) -> tf.Tensor:
        """[B, P, M] bool: which items of the clusters `near [B, P]` are in `barred [B, n]`."""
        place = tf.gather(self._place, barred)  # [B, n], −1 in no cluster
        is_there = (place // self.width)[:, :, None] == near[:, None, :]  # [B, n, P]
        is_there &= (place >= 0)[:, :, None]
        probe = tf.argmax(is_there, axis=2, output_type=tf.int32)
        size = self.probes * self.width
        column = probe * self.width + place % self.width
        column = tf.where(tf.reduce_any(is_there, axis=2), column, size)
        rows = tf.broadcast_to(tf.range(tf.shape(near)[0])[:, None], tf.shape(column))
        marks = tf.zeros([tf.shape(near)[0], size + 1], tf.bool)
        where = tf.stack([rows, column], axis=2)
        marks = tf.tensor_scatter_nd_update(marks, where, tf.ones_like(column, tf.bool))
        return tf.reshape(marks[:, :size], [-1, self.probes, self.width])


def _even_tree(points: np.ndarray, depth: int, rng: np.random.Generator) -> list[np.ndarray]:
    """2^depth groups of rows of `points [n, D]`, equal in size to one, each split by two means."""
    groups = [np.arange(len(points))]
    for _ in range(depth):
        groups = [half for group in groups for half in _halves(points, group, rng)]
    return groups


def _halves(
    points: np.ndarray, group: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    own = points[group]
    sample = own[rng.integers(0, len(own), min(len(own), _SAMPLED))]
    first, second = sample[rng.choice(len(sample), 2, replace=False)]
    for _ in range(_ROUNDS):
        along = sample @ (first - second)
        is_first = along > np.median(along)
        if not is_first.any():
            break
        first, second = sample[is_first].mean(axis=0), sample[~is_first].mean(axis=0)
    order = np.argsort(own @ (first - second), kind="stable")
    half = len(group) // 2
    return group[order[:half]], group[order[half:]]
