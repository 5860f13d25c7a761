"""Settings of the agents; apart from them, so that `--help` need not load TensorFlow."""

from __future__ import annotations

import dataclasses
from typing import Literal

from drrec.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class DDPGConfig:
    """The agent's own settings."""

    state: Literal["drr_p", "drr_u", "drr_ave"] = "drr_ave"
    """State module."""
    form: Literal["anchored", "plain"] = "anchored"
    """Networks: `anchored` starts at matrix factorisation, `plain` is the paper's."""
    critic_action: Literal["item", "proto"] = "item"
    """What the critic is trained on: the vector of the item shown, or the actor's own output."""
    dim_actor: int = 128
    """Hidden units of each actor layer. [>= 1]"""
    dim_critic: int = 128
    """Hidden units of each critic layer. [>= 1]"""
    lr_actor: float = 1e-4
    """Adam learning rate of the actor. [> 0]"""
    lr_critic: float = 1e-3
    """Adam learning rate of critic and state module. [> 0]"""
    discount: float = 0.9
    """γ, what a reward one step later is worth now. [0 <= γ < 1]"""
    tau: float = 0.01
    """Share of the way that the targets go towards the networks at each update. [0 < τ <= 1]"""
    batch_size: int = 1024
    """Transitions in an update. [>= 1]"""
    memory_size: int = 100_000
    """Transitions in the replay. [>= batch size]"""
    num_envs: int = 32
    """N, sessions side by side; one update follows each step of all of them. [>= 1]"""
    epsilon: float = 1.0
    """Chance that an action is perturbed, at the start; it falls to 0 in a line. [0 to 1]"""
    epsilon_steps: int = 100_000
    """Environment steps until epsilon is 0. [>= 1]"""
    std: float = 0.1
    """Standard deviation of the Gaussian noise on each coordinate of an action. [>= 0]"""
    per_alpha: float = 0.6
    """Exponent of |TD error| in the replay's priorities; 0 is uniform. [0 to 1]"""
    per_beta: float = 0.4
    """Exponent of the importance weights at first; rises to 1 as epsilon falls. [0 to 1]"""
    critic_l2: float = 1e-4
    """L2 penalty on the kernels of critic and state, not on biases. [>= 0]"""
    clip_norm: float = 0.0
    """Largest norm of a gradient; 0 is no clipping. [>= 0]"""

    products: Literal["float32", "bfloat16"] = "float32"
    """Number format of the networks' matrix products; weights are float32 in both."""

    def __post_init__(self) -> None:
        if not 0 <= self.discount < 1:
            raise InputError(
                f"`discount` must be in [0, 1). Received: {self.discount}. "
                "An endless session needs discount < 1 for a finite return."
            )
        if self.memory_size < self.batch_size:
            raise InputError(
                f"`memory_size` must be at least `batch_size` = {self.batch_size}. "
                f"Received: {self.memory_size}."
            )
