"""Settings of the agents; apart from them, so that `--help` need not load TensorFlow."""

from __future__ import annotations

import dataclasses
from typing import Literal

from drrec.errors import InputError
from drrec.ranges import check_ranges


@dataclasses.dataclass(frozen=True, kw_only=True)
class TD3Config:
    """What TD3 alone knows."""

    policy_delay: int = 2
    """Updates of the critics for one of the actor and the targets. [>= 1]"""
    smoothing: float = 0.05
    """Standard deviation of the noise on each coordinate of the next action. [>= 0]"""
    smoothing_clip: float = 0.1
    """The most that this noise moves a coordinate. [>= 0]"""
    cloning: float = 0.0
    """Weight of showing what the log shows, beside a Q of mean size 1; 0 is plain TD3, 0.4 the
    authors' offline form. [>= 0]"""

    def __post_init__(self) -> None:
        positive = ("smoothing", "smoothing_clip", "cloning")
        check_ranges(self, {"[1, inf)": ("policy_delay",), "[0, inf)": positive})


@dataclasses.dataclass(frozen=True, kw_only=True)
class OnPolicyConfig:
    """What PPO and A2C know, and the supervised agent, which plays as PPO does."""

    horizon: int = 16
    """H, steps of each session in a rollout; A2C's n. [>= 1]"""
    gae_lambda: float = 0.95
    """λ of generalised advantages; A2C takes 1, which is n-step returns. [0 to 1]"""
    clip: float = 0.2
    """PPO: how far from 1 the ratio of new and old probability is believed. [> 0]"""
    value_clip: float = 0.0
    """PPO: how far a value may go from its old self in a rollout; 0 is any way. [>= 0]"""
    value_weight: float = 0.5
    """Weight of the values' loss beside the policy's. [>= 0]"""
    entropy: float = 0.01
    """Weight of the policy's entropy, in nats. [>= 0]"""
    epochs: int = 4
    """PPO: times that a rollout is learned from. [>= 1]"""
    minibatches: int = 4
    """PPO: parts that an epoch deals a rollout out in. [>= 1]"""
    inverse_temperature: float = 10.0
    """κ at the start: what scores are multiplied by before the softmax. [> 0]"""

    def __post_init__(self) -> None:
        check_ranges(
            self,
            {
                "[1, inf)": ("horizon", "epochs", "minibatches"),
                "[0, 1]": ("gae_lambda",),
                "(0, inf)": ("clip", "inverse_temperature"),
                "[0, inf)": ("value_clip", "value_weight", "entropy"),
            },
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupervisedConfig:
    """What the supervised actor-critic knows."""

    sequence_width: int = 64
    """E, learned coordinates of an item beside those it comes with. [>= 1]"""
    window: int = 50
    """W, rows of the log that are read at once. [>= 1]"""
    sequence_layers: int = 2
    """Blocks of the transformer that reads them. [>= 1]"""
    sequence_heads: int = 2
    """Its attention heads, which divide `sequence_width`. [>= 1]"""
    sequence_dropout: float = 0.3
    """Share of what is dropped while it is trained. [0 to 1)"""
    lr_sequence: float = 5e-3
    """Adam learning rate of transformer and items; 1e-4 does better where ratings are asked for, as
    in logged sessions with --unlogged never. [0 < rate <= 1]"""
    sequence_average: float = 0.01
    """Share of the way that the reader who is asked goes towards the one who learns, at each
    update; 1 is no averaging. [0 < share <= 1]"""
    windows: int = 128
    """WindowSampler of the log that are read in an iteration. [>= 1]"""
    warm_up: int = 0
    """Steps for whose time it reads and does not play. [>= 0]"""

    def __post_init__(self) -> None:
        counts = ("sequence_width", "window", "sequence_layers", "sequence_heads", "windows")
        check_ranges(
            self,
            {
                "[1, inf)": counts,
                "[0, inf)": ("warm_up",),
                "(0, 1]": ("lr_sequence", "sequence_average"),
                "[0, 1)": ("sequence_dropout",),
            },
        )
        if self.sequence_width % self.sequence_heads:
            raise InputError(
                "`sequence_heads` must divide `sequence_width`. "
                f"Received: {self.sequence_heads} and {self.sequence_width}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """Which agent, and its settings."""

    algorithm: Literal["ddpg", "td3", "ppo", "a2c", "supervised"] = "ddpg"
    """Which agent learns: ddpg and td3 from a replay, ppo and a2c from what they have just done,
    supervised as ppo, beside reading the log in its order."""
    state: Literal["drr_p", "drr_u", "drr_ave", "attention"] = "drr_ave"
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
    """Adam learning rate of the actor. [0 < rate <= 1]"""
    lr_critic: float = 1e-3
    """Adam learning rate of critic and state module. [0 < rate <= 1]"""
    lr_encoder: float = 1e-4
    """Adam learning rate of the item encoder, with --encoder finetuned. [0 < rate <= 1]"""
    discount: float = 0.0
    """γ, what a reward one step later is worth now; 0 is what validation chose for logged sessions,
    whose items are all shown sooner or later. [0 <= γ < 1]"""
    tau: float = 0.001
    """Share of the way that the targets go towards the networks at each update. [0 < τ <= 1]"""
    batch_size: int = 1024
    """Transitions in an update. [>= 1]"""
    memory_size: int = 100_000
    """Transitions in the replay. [>= batch size and number of sessions]"""
    num_envs: int = 32
    """N, sessions side by side; one update follows each step of all of them. [>= 1]"""
    epsilon: float = 1.0
    """Chance that an action is perturbed, at the start; it falls to 0 in a line. [0 to 1]"""
    epsilon_steps: int = 10_000
    """Environment steps until epsilon is 0. [>= 1]"""
    std: float = 0.1
    """Standard deviation of the Gaussian noise on each coordinate of an action. [>= 0]"""
    per_alpha: float = 0.6
    """Exponent of |TD error| in the replay's priorities; 0 is uniform. [0 to 1]"""
    per_beta: float = 0.4
    """Exponent of the importance weights at first; rises to 1 as epsilon falls. [0 to 1]"""
    critic_l2: float = 1e-3
    """L2 penalty on the kernels of critic and state, not on biases. [>= 0]"""
    clip_norm: float = 0.0
    """Largest norm of a gradient; 0 is no clipping. [>= 0]"""

    td3: TD3Config = dataclasses.field(default_factory=TD3Config)
    on_policy: OnPolicyConfig = dataclasses.field(default_factory=OnPolicyConfig)
    supervised: SupervisedConfig = dataclasses.field(default_factory=SupervisedConfig)
    products: Literal["float32", "bfloat16"] = "float32"
    """Number format of the networks' matrix products; weights are float32 in both."""

    def __post_init__(self) -> None:
        if not 0 <= self.discount < 1:
            raise InputError(
                f"`discount` must be in [0, 1). Received: {self.discount}. "
                "An endless session needs discount < 1 for a finite return."
            )
        check_ranges(
            self,
            {
                "[1, inf)": ("dim_actor", "dim_critic", "batch_size", "num_envs", "epsilon_steps"),
                "[0, inf)": ("std", "critic_l2", "clip_norm"),
                "[0, 1]": ("epsilon", "per_alpha", "per_beta"),
                "(0, 1]": ("lr_actor", "lr_critic", "lr_encoder", "tau"),
            },
        )
        rollout = self.num_envs * self.on_policy.horizon
        if self.algorithm in ("ppo", "supervised") and rollout % self.on_policy.minibatches:
            raise InputError(
                f"`minibatches` must divide the {rollout} steps of a rollout evenly, `num_envs` "
                f"times `horizon`. Received: {self.on_policy.minibatches}."
            )
        for name in ("batch_size", "num_envs"):
            if self.memory_size < getattr(self, name):
                raise InputError(
                    f"`memory_size` must be at least `{name}` = {getattr(self, name)}. "
                    f"Received: {self.memory_size}."
                )
