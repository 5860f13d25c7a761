"""Settings of the agents, one class each; apart from them: `--help` need not load TensorFlow."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from drrec.agents.shares import shares_of
from drrec.errors import InputError
from drrec.ranges import check_ranges
from drrec.registry import CONTENT_BASELINES, State, check_choices


@dataclasses.dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """Settings of all agents."""

    state: State = "drr_ave"
    """State module."""
    form: Literal["anchored", "plain"] = "anchored"
    """anchored: networks initialised at matrix factorisation; plain: networks of the paper."""
    dim_actor: int = 128
    """Hidden units of each actor layer. [1 to 65,536]"""
    dim_critic: int = 128
    """Hidden units of each critic layer. [1 to 65,536]"""
    dim_learned: int = 0
    """Item coordinates learned from rewards, beside the embedding; 0 is none. [0 to 65,536]
    For sessions in which users tire, 16 with --lr-encoder 1e-3 is much better than none."""
    lr_actor: float = 1e-4
    """Adam learning rate of the actor. [0 < rate <= 1]"""
    lr_critic: float = 1e-3
    """Adam learning rate of critic and state module. [0 < rate <= 1]"""
    lr_encoder: float = 1e-4
    """Adam learning rate of what changes item vectors: --dim-learned, or --encoder finetuned.
    [0 < rate <= 1]"""
    discount: float = 0.0
    """Discount factor γ. The default was chosen on validation, in logged sessions. [0 <= γ < 1]"""
    num_envs: int = 32
    """N, number of parallel sessions; one update follows each step of all of them. [1 to 65,536]"""
    retrieval: Literal["auto", "exact", "clusters"] = "auto"
    """Items that an action is compared with in sessions that may show the whole catalogue.
    exact: all; clusters: those of the nearest clusters; auto: clusters from 100,000 items on.
    Evaluation and recommendations compare with all."""
    probes: int = 32
    """Clusters that an action is compared with, of about 400 items each. [1 to 65,536]"""
    clip_norm: float = 0.0
    """Maximum global norm of gradients; 0 is no clipping. [>= 0]"""
    products: Literal["float32", "bfloat16"] = "float32"
    """Precision of the networks' matrix products; weights are always float32."""
    blend: str = ""
    """Baselines whose scores are added to the agent's after training; '' is none.
    Separated by commas, each with its share of the weight: gru4rec:4,ease:1 (default: 1).
    Has no effect on training. train --auto chooses one on validation."""
    blend_weight: float = 0.5
    """Weight of the baselines of --blend; the agent's is the rest. [0 to 1]
    All scores are scaled to a variance of 1 over each user's catalogue."""

    def __post_init__(self) -> None:
        if not 0 <= self.discount < 1:
            raise InputError(
                f"`discount` must be in [0, 1). Received: {self.discount}. "
                "An endless session needs discount < 1 for a finite return."
            )
        check_choices(self)
        shares_of(self.blend)
        check_ranges(
            self,
            {
                "[1, 65536]": ("dim_actor", "dim_critic", "num_envs", "probes"),
                "[0, 65536]": ("dim_learned",),
                "[0, inf)": ("clip_norm",),
                "[0, 1]": ("blend_weight",),
                "(0, 1]": ("lr_actor", "lr_critic", "lr_encoder"),
            },
        )

    @property
    def blended(self) -> dict[str, float]:
        """The weight of each baseline of `blend`, by name."""
        return {name: self.blend_weight * share for name, share in shares_of(self.blend).items()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class DDPGConfig(AgentConfig):
    """Settings of DDPG."""

    critic_action: Literal["item", "proto"] = "item"
    """Action that the critic is trained on.
    item: the embedding of the item shown; proto: the actor's output."""
    tau: float = 0.001
    """Polyak coefficient of the target networks. [0 < τ <= 1]"""
    batch_size: int = 1024
    """Transitions in a batch. [1 to 10^6]"""
    memory_size: int = 100_000
    """Replay buffer size, in transitions. [>= batch size and number of sessions]"""
    epsilon: float = 1.0
    """Initial probability of exploration noise on an action; decays linearly to 0. [0 to 1]"""
    epsilon_steps: int = 10_000
    """Environment steps over which epsilon decays to 0. [1 to 10^12]"""
    std: float = 0.1
    """Standard deviation of the Gaussian exploration noise on each action dimension. [>= 0]"""
    per_alpha: float = 0.6
    """Prioritised replay: exponent of |TD error|; 0 is uniform sampling. [0 to 1]"""
    per_beta: float = 0.4
    """Prioritised replay: initial exponent of the importance weights.
    Annealed to 1 as epsilon decays. [0 to 1]"""
    critic_l2: float = 1e-3
    """L2 penalty on the kernels of critic and state module. [>= 0]"""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(
            self,
            {
                "[1, 1000000]": ("batch_size",),
                "[1, 1000000000000]": ("epsilon_steps",),
                "[0, inf)": ("std", "critic_l2"),
                "[0, 1]": ("epsilon", "per_alpha", "per_beta"),
                "(0, 1]": ("tau",),
            },
        )
        for name in ("batch_size", "num_envs"):
            if self.memory_size < getattr(self, name):
                raise InputError(
                    f"`memory_size` must be at least `{name}` = {getattr(self, name)}. "
                    f"Received: {self.memory_size}."
                )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TD3Config(DDPGConfig):
    """Settings of TD3."""

    policy_delay: int = 2
    """Critic updates per update of the actor and the target networks. [1 to 1,000]"""
    smoothing: float = 0.05
    """Target policy smoothing: standard deviation of the noise. [>= 0]"""
    smoothing_clip: float = 0.1
    """Target policy smoothing: maximum absolute value of the noise. [>= 0]"""
    cloning: float = 0.0
    """Behaviour-cloning weight (TD3+BC), relative to Q scaled to a mean size of 1.
    0 is TD3; 0.4 is the published TD3+BC. [>= 0]"""

    def __post_init__(self) -> None:
        super().__post_init__()
        positive = ("smoothing", "smoothing_clip", "cloning")
        check_ranges(self, {"[1, 1000]": ("policy_delay",), "[0, inf)": positive})


@dataclasses.dataclass(frozen=True, kw_only=True)
class SACConfig(DDPGConfig):
    """Settings of SAC. Actions are sampled: `epsilon` and `std` have no effect."""

    target_entropy: float = -1.0
    """Target entropy of the policy, in nats per action dimension.
    A uniform policy has log 2 = 0.69. [<= log 2]"""
    temperature: float = 0.01
    """Initial entropy temperature α. [> 0]"""
    lr_temperature: float = 3e-3
    """Adam learning rate of log α; 0 keeps α constant. [0 to 1]"""
    initial_std: float = 0.1
    """Initial standard deviation of each action dimension, before tanh. [> 0]"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.target_entropy <= math.log(2):
            raise InputError(
                f"`target_entropy` must be at most log 2 = 0.693. Received: {self.target_entropy}. "
                "No policy on [-1, 1] has a higher entropy."
            )
        positive = ("temperature", "initial_std")
        check_ranges(self, {"(0, inf)": positive, "[0, 1]": ("lr_temperature",)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class OnPolicyConfig(AgentConfig):
    """Settings of on-policy agents."""

    horizon: int = 16
    """H, rollout length in steps of each session; the n of A2C. [1 to 10,000]"""
    value_weight: float = 0.5
    """Coefficient of the value loss. [>= 0]"""
    entropy: float = 0.01
    """Coefficient of the entropy bonus; entropy is in nats. [>= 0]"""
    inverse_temperature: float = 10.0
    """Initial inverse temperature κ of the softmax over scores. [> 0]"""
    softmax: Literal["auto", "exact", "sampled"] = "auto"
    """Softmax of the policy. exact: over all available items; sampled: estimated from the items
    nearest to the action and --num-drawn others; auto: sampled from 20,000 items on."""
    num_drawn: int = 1024
    """S, items drawn evenly from the catalogue for a sampled softmax. [1 to 10^6]"""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(
            self,
            {
                "[1, 10000]": ("horizon",),
                "[1, 1000000]": ("num_drawn",),
                "(0, inf)": ("inverse_temperature",),
                "[0, inf)": ("value_weight", "entropy"),
            },
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class A2CConfig(OnPolicyConfig):
    """Settings of A2C."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PPOConfig(OnPolicyConfig):
    """Settings of PPO."""

    gae_lambda: float = 0.95
    """λ of generalised advantage estimation (GAE). [0 to 1]"""
    clip: float = 0.2
    """Clipping range of the probability ratio. [> 0]"""
    value_clip: float = 0.0
    """Clipping range of the value update; 0 is no clipping. [>= 0]"""
    epochs: int = 4
    """Epochs over each rollout. [1 to 65,536]"""
    minibatches: int = 4
    """Minibatches per epoch; must divide `num_envs` times `horizon`. [1 to 65,536]"""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(
            self,
            {
                "[1, 65536]": ("epochs", "minibatches"),
                "[0, 1]": ("gae_lambda",),
                "(0, inf)": ("clip",),
                "[0, inf)": ("value_clip",),
            },
        )
        rollout = self.num_envs * self.horizon
        if rollout % self.minibatches:
            raise InputError(
                f"`minibatches` must divide the {rollout} steps of a rollout evenly, `num_envs` "
                f"times `horizon`. Received: {self.minibatches}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupervisedConfig(PPOConfig):
    """Settings of the supervised actor-critic: those of PPO and of its sequence encoder."""

    sequence_width: int = 64
    """E, width of the sequence encoder, added to the embedding dimension. [1 to 65,536]"""
    window: int = 50
    """W, maximum length of a training sequence. [1 to 65,536]"""
    sequence_layers: int = 2
    """Transformer blocks of the sequence encoder. [1 to 100]"""
    sequence_heads: int = 2
    """Attention heads; must divide `sequence_width`. [1 to 100]"""
    sequence_dropout: float = 0.3
    """Dropout rate of the sequence encoder. [0 to 1)"""
    lr_sequence: float = 5e-3
    """Adam learning rate of the sequence encoder and its item embeddings. [0 < rate <= 1]
    In logged sessions with --unlogged never, 1e-4 gives better results."""
    sequence_average: float = 0.01
    """Polyak coefficient of the averaged sequence encoder, which is the one used.
    1 is no averaging. [0 < share <= 1]"""
    windows: int = 128
    """Training sequences per iteration. [1 to 65,536]"""
    warm_up: int = 0
    """Environment steps before PPO updates begin.
    Until then only the sequence encoder is trained. [0 to 10^12]"""

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = ("sequence_width", "window", "windows")
        check_ranges(
            self,
            {
                "[1, 65536]": counts,
                "[1, 100]": ("sequence_layers", "sequence_heads"),
                "[0, 1000000000000]": ("warm_up",),
                "(0, 1]": ("lr_sequence", "sequence_average"),
                "[0, 1)": ("sequence_dropout",),
            },
        )
        if self.sequence_width % self.sequence_heads:
            raise InputError(
                "`sequence_heads` must divide `sequence_width`. "
                f"Received: {self.sequence_heads} and {self.sequence_width}."
            )


def check_blend(agent: AgentConfig, modality: str) -> None:
    """See that an agent that is blended with a content baseline has content.

    Raises:
        InputError: it has none.
    """
    needing = [name for name in agent.blended if name in CONTENT_BASELINES]
    if needing and not modality:
        raise InputError(
            f"Expected `modality` with the blend {needing[0]}, which needs content features. "
            "Received: none. Add --modality, or choose another baseline."
        )
