"""What is left of an agent when it has learned: two tables, a state module and an actor."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Self

import tensorflow as tf

if TYPE_CHECKING:
    import keras
    import numpy as np

    from drrec.data.interactions import Interactions

_USERS_AT_ONCE = 4096


@dataclasses.dataclass(frozen=True, eq=False)
class Policy:
    """A `Recommender`: state -> action, and score(i) = i·a."""

    user: np.ndarray  # [U, D] float32
    item: np.ndarray  # [I, D] float32, row 0 zero
    state: keras.layers.Layer
    actor: keras.layers.Layer
    uses_history: bool = True

    def fit(self, train: Interactions) -> Self:
        """It has learned already."""
        return self

    def actions(self, users: np.ndarray, histories: np.ndarray) -> np.ndarray:
        """[B], [B, L] -> [B, D] in [−1, 1]."""
        parts = []
        for start in range(0, len(users), _USERS_AT_ONCE):
            rows = slice(start, start + _USERS_AT_ONCE)
            user = tf.constant(self.user[users[rows]])
            state = self.state(user, tf.constant(self.item[histories[rows]]))
            parts.append(self.actor(state, user))
        return tf.concat(parts, axis=0).numpy()

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """[B], [B, L], [B, C] or None -> [B, C] or [B, I]."""
        action = self.actions(users, histories)
        if candidates is None:
            return action @ self.item.T
        return (self.item[candidates] @ action[:, :, None])[:, :, 0]
