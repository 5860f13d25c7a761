"""Settings of the environments; apart from them, so that `--help` need not load TensorFlow."""

from __future__ import annotations

import dataclasses
from typing import Literal

from drrec.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoggedConfig:
    """What a session shows and pays."""

    sessions: Literal["logged", "living"] = "logged"
    """Who plays: users as the ratings tell of them, or as they are in the hidden world of a made-up
    data set, which `demo` has: they tire, and any item may be shown, so --unlogged is moot."""
    unlogged: Literal["never", "constant", "model"] = "never"
    """What an item pays that the user has not rated: such items are never shown; a constant
    (--unlogged-reward); or what matrix factorisation on the training ratings predicts."""
    unlogged_reward: float = -0.5
    """The constant that --unlogged constant pays. [reward, -1 to 1]"""
    state_size: int = 10
    """L, the last liked items that make the state. [items, >= 1]"""
    episode_length: int = 30
    """T, items shown in a session before the next begins. [steps, >= 1]"""

    def __post_init__(self) -> None:
        if not -1 <= self.unlogged_reward <= 1:
            raise InputError(
                "`unlogged_reward` must be in [-1, 1], as rewards of ratings are. "
                f"Received: {self.unlogged_reward}."
            )
        if self.episode_length < 1 or self.state_size < 1:
            raise InputError(
                "`episode_length` and `state_size` must be at least 1. "
                f"Received: {self.episode_length} and {self.state_size}."
            )
