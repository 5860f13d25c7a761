"""A softmax over a large catalogue, estimated from some of its items.

Those of the clusters nearest to an action, which have nearly all of its probability, are there for
certain; beside them stand items drawn evenly from the rest. Each drawn one counts by 1 / (how often
it is expected), the log-Q correction (Bengio and Senécal 2008), so that the sum over the sample is
on average that over the catalogue.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

from drrec.types import PADDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.agents.retrieval import ClusterIndex
    from drrec.envs.base import SessionEnvironment

SAMPLED_FROM = 20_000
"""Items from which on `softmax` auto estimates the softmax.

The softmax of a rollout of 512 steps over so many items takes 40 MB, and its gradient thrice that,
for each of which an update passes over memory.
"""

NUM_NEAR = 4
"""Clusters whose items are there for certain, of about 400 items each."""


class Chances(NamedTuple):
    """What a softmax says of B steps."""

    log_prob: tf.Tensor  # [B] of the items shown
    entropy: tf.Tensor  # [B] in nats


class ItemSampler:
    """Draws the items that a softmax is estimated from; what is offered to a user is all taken."""

    def __init__(
        self, environment: SessionEnvironment, index: ClusterIndex | None, num_drawn: int
    ) -> None:
        """Take the items that sessions of `environment` may show.

        Args:
            environment: the sessions.
            index: the clusters; None where each user is offered items of their own.
            num_drawn: S, items drawn beside those of the clusters.
        """
        self._environment, self._index = environment, index
        self._showable = tf.constant(np.flatnonzero(environment.is_showable()).astype(np.int32))
        self.num_drawn = num_drawn if index else 0
        if index:
            self._num_near = index.probes * index.width
        elif environment.offers is not None:
            self._num_near = int(environment.offers.shape[1])
        else:
            raise ValueError("Expected clusters for sessions that may show the whole catalogue.")

    @property
    def width(self) -> int:
        """C, how many items a softmax is estimated from, with places that are empty."""
        return self._num_near + self.num_drawn

    def drawn(
        self,
        action: tf.Tensor,
        items: tf.Tensor,
        user: tf.Tensor,
        shown: tf.Tensor,
        seed: tf.Tensor,
    ) -> tf.Tensor:
        """[B, C] int32 available items, 0 where there is none.

        Args:
            action: [B, D], whose nearest items are taken.
            items: [I, D].
            user: [B].
            shown: [B, T].
            seed: [2] of the stateless draw.
        """
        environment = self._environment
        if self._index is None:
            offered = tf.gather(environment.offers, user)  # [B, C]
            return tf.where(environment.is_left(offered, shown), offered, PADDING)
        barred = environment.barred(user, shown)
        near = self._index.near(action, items, barred)
        shape = [tf.shape(user)[0], self.num_drawn]
        place = tf.random.stateless_uniform(shape, seed, 0, len(self._showable), tf.int32)
        rest = tf.gather(self._showable, place)
        is_rest = self._index.is_outside(near.clusters, rest)
        is_rest &= ~tf.reduce_any(rest[:, :, None] == barred[:, None, :], axis=2)
        return tf.concat([near.items, tf.where(is_rest, rest, PADDING)], axis=1)

    def logits(self, scores: tf.Tensor, candidates: tf.Tensor) -> tf.Tensor:
        """[B, C] of `candidates` with `scores [B, C]`, corrected by how often each is expected."""
        expected = self.num_drawn / len(self._showable) if self.num_drawn else 1.0
        correction = np.zeros(self.width, np.float32)
        correction[self._num_near :] = math.log(expected)
        return tf.where(candidates == PADDING, -float("inf"), scores - correction)

    def chances(
        self,
        score: Callable[[tf.Tensor], tf.Tensor],
        item: tf.Tensor,
        candidates: tf.Tensor,
    ) -> Chances:
        """Of `item [B]`, shown among `candidates [B, C]`.

        Args:
            score: from items [B, n] to their scores [B, n].
            item: [B].
            candidates: from `drawn`.
        """
        scores = score(candidates)
        logits = self.logits(scores, candidates)
        total = tf.reduce_logsumexp(logits, axis=1)
        share = tf.nn.softmax(logits)
        log_prob = score(item[:, None])[:, 0] - total
        return Chances(log_prob, total - tf.reduce_sum(share * scores, axis=1))
