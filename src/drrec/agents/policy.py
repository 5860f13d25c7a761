"""What is left of an agent when it has learned: two tables, a state module and an actor."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Self

import numpy as np
import tensorflow as tf

from drrec.embeddings.table import Prior
from drrec.errors import InputError
from drrec.nn.actor_critic import build_state_and_actor, reads_rewards
from drrec.nn.histories import described

if TYPE_CHECKING:
    import keras

    from drrec.agents.config import AgentConfig
    from drrec.data.interactions import Interactions

_USERS_AT_ONCE = 4096


@dataclasses.dataclass(frozen=True, eq=False)
class Policy:
    """A `Scorer`: state -> action, and score(i) = i·a."""

    user: np.ndarray  # [U, D] float32
    item: np.ndarray  # [I, D] float32, row 0 zero
    state: keras.layers.Layer
    actor: keras.layers.Layer
    uses_history: bool = True
    reads_rewards: bool = False

    @functools.cached_property
    def prior(self) -> Prior:
        """Of somebody new."""
        return Prior.of(self.user)

    @classmethod
    def build(
        cls, config: AgentConfig, user: np.ndarray, item: np.ndarray, state_size: int
    ) -> Self:
        """An untrained policy of this shape, for `set_weights`."""
        dim = item.shape[1]
        state, actor, _ = build_state_and_actor(config, dim, state_size)
        return cls(user, item, state, actor, reads_rewards=reads_rewards(config))

    def weights(self) -> dict[str, np.ndarray]:
        """Weights of state module and actor, by path."""
        return {
            f"{name}/{number}": np.array(weight)
            for name in ("state", "actor")
            for number, weight in enumerate(getattr(self, name).weights)
        }

    def set_weights(self, weights: dict[str, np.ndarray]) -> None:
        """Take what `weights` gave.

        Raises:
            InputError: they are of another shape.
        """
        shapes = {name: value.shape for name, value in weights.items()}
        expected = {name: value.shape for name, value in self.weights().items()}
        if shapes != expected:
            raise InputError(
                f"Expected weights of shapes {expected}. Received: {shapes}. "
                "The settings and the weights are not of one run."
            )
        for name in ("state", "actor"):
            for number, weight in enumerate(getattr(self, name).weights):
                weight.assign(weights[f"{name}/{number}"])

    def fit(self, train: Interactions) -> Self:
        """It has learned already."""
        return self

    @functools.cached_property
    def _vectors(self) -> tf.Tensor:
        return tf.constant(self.item)

    def actions(self, users: np.ndarray, histories: np.ndarray) -> np.ndarray:
        """[B], [B, L] -> [B, D] in [−1, 1]."""
        item, parts = self._vectors, []
        for start in range(0, len(users), _USERS_AT_ONCE):
            rows = slice(start, start + _USERS_AT_ONCE)
            user = tf.constant(self.user[users[rows]])
            state = self.state(user, described(item, tf.constant(histories[rows])))
            parts.append(self.actor(state, user))
        return tf.concat(parts, axis=0).numpy()

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """[B], [B, L], [B, C] or None -> [B, C] or [B, I]."""
        action = self.actions(users, histories)
        if candidates is None:
            return action @ self.item.T
        # Of small batches BLAS now and then says "invalid" of numbers that are all finite.
        with np.errstate(invalid="ignore"):
            return (self.item[candidates] @ action[:, :, None])[:, :, 0]
