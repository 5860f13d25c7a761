"""Settings of language models: each field's docstring is its `--help`."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any, Literal

from drrec.features.config import MediaConfig
from drrec.ranges import check_ranges
from drrec.registry import check_choices

SMALL = "small"
"""Stands, in place of a hub name, for the seeded Qwen3 that is built on the spot."""

Stage = Literal["zero", "sft", "grpo"]
"""The last stage of training: none, supervised fine-tuning, or GRPO after it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The language model, and how it is held in memory."""

    model: str = SMALL
    """Language model: hub name, folder, or small, a Qwen3 built here with one token per item."""
    revision: str = "main"
    """Commit, tag or branch of --model on the hub."""
    width: int = 64
    """Small model: hidden size. [8 to 4,096]"""
    layers: int = 2
    """Small model: number of layers. [1 to 100]"""
    heads: int = 2
    """Small model: attention heads; they divide the width into even parts. [1 to 64]"""
    history: int = 100
    """Maximum items of a history, most recent ones. [1 to 10,000]"""
    context: int = 2048
    """Maximum tokens of a prompt; the oldest items are cut first. [32 to 10^6]"""
    number_titles: bool = False
    """Tell items of the same title apart by (2), (3) and so on; otherwise such a catalogue is
    refused."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of --model; auto is bfloat16 on a GPU that has it, else float32. The small model
    is always in float32."""
    device_map: str = ""
    """Placement on several GPUs, as in transformers, such as auto; '' puts all on one device."""

    def __post_init__(self) -> None:
        check_choices(self)
        check_ranges(
            self,
            {
                "[8, 4096]": ("width",),
                "[1, 100]": ("layers",),
                "[1, 64]": ("heads",),
                "[1, 10000]": ("history",),
                "[32, 1000000]": ("context",),
            },
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SFTConfig:
    """Supervised fine-tuning: epochs of three tasks, one after the other."""

    next_epochs: float = 20.0
    """Epochs of task next: each item after those before it, over whole histories. [0 to 10^6]"""
    list_epochs: float = 0.0
    """Epochs of task list: cross-entropy of the next item among candidates. [0 to 10^6]"""
    answer_epochs: float = 0.0
    """Epochs of task answer: prompt with candidates, answer `[ITEM_id] title`; the loss is on the
    answer only. [0 to 10^6]"""
    negatives: int = 9
    """Candidates beside the next item, drawn anew in each epoch. [1 to 10^6]"""
    cot_prob: float = 0.0
    """Task answer: probability that a user's sample is one with reasoning, which its prompt shows,
    where `drrec llm reason` has written any. [0 to 1]"""
    keep: Literal["helpful", "all"] = "helpful"
    """Reasoning to train with: helpful, what raises the log-probability of the item that came next
    over that without it; or all."""
    lr: float | None = None
    """Peak learning rate; by default 0.003 for all weights, 0.0002 for LoRA. [> 0]"""
    batch_size: int = 32
    """Rows in one step of the optimizer, on all processes together. [1 to 10^6]"""
    micro_batch: int = 32
    """Rows in one forward pass; gradients of several are accumulated. [1 to 10^6]"""
    dropout: float = 0.3
    """Dropout rate after each block while all weights are trained. [0 to 1)"""
    average: float = 0.01
    """Polyak coefficient of the averaged weights, which are kept; 1 is no averaging. (0 to 1]"""
    weight_decay: float = 0.0
    """AdamW's weight decay. [0 to 1]"""
    lora: bool | None = None
    """Train LoRA adapters in place of all weights; by default for any model but small."""
    lora_rank: int = 16
    """LoRA rank r. [1 to 4,096]"""
    lora_alpha: float = 16.0
    """LoRA α; updates are scaled by α / r. [> 0]"""
    lora_targets: str = "all-linear"
    """Layers with adapters: names joined by commas, such as q_proj,v_proj, or all-linear."""
    checkpointing: bool = False
    """Recompute activations in the backward pass, which saves memory."""

    def __post_init__(self) -> None:
        check_choices(self)
        check_ranges(
            self,
            {
                "[0, 1000000]": ("next_epochs", "list_epochs", "answer_epochs"),
                "[1, 1000000]": ("negatives", "batch_size", "micro_batch"),
                "[1, 4096]": ("lora_rank",),
                "[0, 1)": ("dropout",),
                "[0, 1]": ("weight_decay", "cot_prob"),
                "(0, 1]": ("average",),
                "(0, inf)": ("lr", "lora_alpha"),
            },
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class GRPOConfig:
    """Group relative policy optimisation, from the fine-tuned model on."""

    rollouts: Literal["rankings", "exact", "generated"] = "rankings"
    """Where rewards come from. rankings: a group of rankings of the candidates, drawn from the
    Plackett-Luce model of their scores; exact: the expected reward of that model, without draws;
    generated: a group of answers, written token by token."""
    grpo_epochs: float = 12.0
    """Epochs; each has one prompt of every user. [0 to 10^6]"""
    generations: int = 8
    """Group size G: rankings or answers drawn for each prompt. [2 to 10,000]"""
    beta: float = 0.02
    """Weight of the KL divergence from the fine-tuned model. [0 to 10^3]"""
    grpo_lr: float | None = None
    """Peak learning rate; by default 0.0005 for all weights, 0.00001 for LoRA. [> 0]"""
    grpo_negatives: int = 9
    """Candidates beside the next item. [1 to 10^6]"""
    grpo_batch_size: int = 32
    """Prompts in one step of the optimizer. [1 to 10^6]"""
    reward_hit: float = 1.0
    """Reward of the right item in first place. [0 to 10^3]"""
    reward_ndcg: float = 1.0
    """Weight of NDCG@K in the reward. [0 to 10^3]"""
    reward_format: float = 0.1
    """Generated answers: reward of an answer whose items are all candidates, written as asked.
    [0 to 10^3]"""
    reward_k: int = 3
    """K of the reward's NDCG. [1 to 1,000]"""
    max_new_tokens: int = 128
    """Generated answers: maximum tokens. [1 to 100,000]"""
    temperature: float = 0.9
    """Generated answers: sampling temperature. [> 0]"""
    top_p: float = 0.9
    """Generated answers: nucleus sampling. (0 to 1]"""

    def __post_init__(self) -> None:
        check_choices(self)
        check_ranges(
            self,
            {
                "[0, 1000000]": ("grpo_epochs",),
                "[2, 10000]": ("generations",),
                "[1, 1000000]": ("grpo_negatives", "grpo_batch_size"),
                "[0, 1000]": ("beta", "reward_hit", "reward_ndcg", "reward_format"),
                "[1, 1000]": ("reward_k",),
                "[1, 100000]": ("max_new_tokens",),
                "(0, inf)": ("grpo_lr", "temperature"),
                "(0, 1]": ("top_p",),
            },
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreConfig:
    """How candidates are scored."""

    answer: Literal["score", "generate"] = "score"
    """score: log-probability of each candidate, whatever their order; generate: a greedily written
    answer to a prompt with the candidates, which ranks what it names."""
    answer_k: int = 1
    """Answers: number of distinct candidates that one should name. [1 to 1,000]"""
    answer_tokens: int = 256
    """Answers: maximum tokens. [1 to 100,000]"""
    score_batch: int = 16
    """Prompts in one forward pass. [1 to 10^5]"""
    block_tokens: int = 4096
    """Maximum tokens of the candidates in one row; more take several rows. [1 to 10^6]"""

    def __post_init__(self) -> None:
        check_choices(self)
        check_ranges(
            self,
            {
                "[1, 1000]": ("answer_k",),
                "[1, 100000]": ("answer_tokens", "score_batch"),
                "[1, 1000000]": ("block_tokens",),
            },
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaptionConfig(MediaConfig):
    """Captions of pictures and trailers, by a vision-language model."""

    vision_model: str = "Qwen/Qwen3-VL-8B-Instruct"
    """Vision-language model: hub name or folder."""
    vision_revision: str = "main"
    """Commit, tag or branch of --vision-model on the hub."""
    frames: int = 4
    """Frames per trailer, sampled at even intervals. [1 to 10,000]"""
    image_pixels: int = 262_144
    """Pixels that a picture or frame is scaled down to, at most. [1,024 to 10^8]"""
    caption_words: int = 50
    """Maximum words of a caption. [1 to 1,000]"""
    caption_tokens: int = 128
    """Maximum tokens of a caption. [1 to 10,000]"""
    caption_batch: int = 8
    """Items captioned in one batch. [1 to 10,000]"""
    caption_tries: int = 3
    """Attempts for each item; from the second on, alone and sampled. [1 to 100]"""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(
            self,
            {
                "[1024, 100000000]": ("image_pixels",),
                "[1, 1000]": ("caption_words",),
                "[1, 10000]": ("caption_tokens", "caption_batch"),
                "[1, 100]": ("caption_tries",),
            },
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReasonConfig:
    """Reasoning about what a user chooses next, by the language model before training."""

    captions: pathlib.Path | None = None
    """File of captions; by default captions.jsonl in the run's folder, if there is one."""
    reasons: int = 1
    """Positions of each user to reason about, the last ones of the training sequence.
    [1 to 10,000]"""
    reason_tokens: int = 300
    """Maximum tokens of a reasoning. [1 to 100,000]"""
    reason_batch: int = 8
    """Prompts in one batch. [1 to 10,000]"""
    reason_tries: int = 3
    """Attempts for each position; from the second on, alone and sampled. [1 to 100]"""

    def __post_init__(self) -> None:
        check_ranges(
            self,
            {
                "[1, 10000]": ("reasons", "reason_batch"),
                "[1, 100000]": ("reason_tokens",),
                "[1, 100]": ("reason_tries",),
            },
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """All that decides what a language model learns from a training log."""

    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    sft: SFTConfig = dataclasses.field(default_factory=SFTConfig)
    grpo: GRPOConfig = dataclasses.field(default_factory=GRPOConfig)
    held_out: int = 200
    """Users whose last training item is held out to validate; at most a fifth. [0 to 10^6]"""
    seed: int = 0
    """Random seed of weights, order, negatives and draws. [0 to 2^31 - 1]"""

    def __post_init__(self) -> None:
        check_ranges(self, {"[0, 1000000]": ("held_out",), "[0, 2147483647]": ("seed",)})

    @property
    def is_small(self) -> bool:
        """Whether the model is built here."""
        return self.model.model == SMALL

    @property
    def has_adapter(self) -> bool:
        """Whether adapters are trained, and not all weights."""
        return not self.is_small if self.sft.lora is None else self.sft.lora

    @classmethod
    def of(cls, seed: int, settings: dict[str, Any]) -> TrainingConfig:
        """From settings of all parts by name, as flags have them.

        Raises:
            InputError: one is unknown or out of its range.
        """
        from drrec.errors import InputError, shown

        parts = {"model": ModelConfig, "sft": SFTConfig, "grpo": GRPOConfig}
        names = {part: {f.name for f in dataclasses.fields(kind)} for part, kind in parts.items()}
        known = set().union(*names.values(), {"held_out"})
        if unknown := sorted(set(settings) - known):
            raise InputError(
                f"Expected a known setting. Received: {shown(unknown[0])}. "
                f"There are: {', '.join(sorted(known))}."
            )
        made: dict[str, Any] = {
            part: kind(**{key: settings[key] for key in names[part] if key in settings})
            for part, kind in parts.items()
        }
        rest = {key: settings[key] for key in ("held_out",) if key in settings}
        return cls(**made, **rest, seed=seed)
