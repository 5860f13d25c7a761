"""Types shared by all packages, and the letters used for shapes.

B batch, N parallel environments, L history length (state size), D embedding width, I items
(row 0 is padding), U users, C candidates, K list length, M modalities, T steps of an episode,
V sessions of the logged environment (one user has several).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf


PADDING = 0
"""The dense item id that stands for no item."""

MODALITIES = ("video", "audio", "text")
"""Modalities of content features."""


class Transitions(NamedTuple):
    """B transitions. `discount` is γ, or 0 at a true end; a time limit is not an end.

    Histories are of liked item ids, or of items with rewards, see `data.histories`. The replay
    stores them instead of encoded states, so that gradients reach the state module.
    """

    user: tf.Tensor  # [B] int32
    history: tf.Tensor  # [B, L] int32 or int64
    action: tf.Tensor  # [B, D] float32
    item: tf.Tensor  # [B] int32
    reward: tf.Tensor  # [B] float32
    discount: tf.Tensor  # [B] float32
    next_history: tf.Tensor  # [B, L] int32 or int64
    next_shown: tf.Tensor  # [B, T] int32, items of the session that may not be shown again


@runtime_checkable
class Scorer(Protocol):
    """Anything that scores items for users: a baseline or a trained agent."""

    @property
    def uses_history(self) -> bool:
        """Whether scores depend on `histories`; if not, protocols score each user only once."""
        ...

    def score(
        self,
        users: np.ndarray,
        histories: np.ndarray,
        candidates: np.ndarray | None = None,
    ) -> np.ndarray:
        """[B], [B, L], [B, C] or None -> [B, C] or [B, I]; see `base.Recommender.score`."""
        ...
