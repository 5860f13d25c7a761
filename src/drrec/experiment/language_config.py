"""Settings of a run of language models: each field's docstring is its `--help`."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Literal

from drrec.data.config import LogConfig
from drrec.embeddings.config import EmbeddingConfig, listed
from drrec.envs.config import LoggedConfig
from drrec.experiment.config import RunConfig
from drrec.llm.config import ScoreConfig, TrainingConfig
from drrec.ranges import check_ranges
from drrec.registry import BASELINES, LANGUAGE_MODELS, check_choices

NAMED = {"zero": "llm_zero", "sft": "llm_sft", "sft_long": "llm_sft_long", "grpo": "llm"}
"""Rows of a report by what they are trained by."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LanguageConfig:
    """Language models, and what they are compared with."""

    dataset: str = "ml-100k"
    """Built-in data set, or the path of your own, as in `train`."""
    log: LogConfig = dataclasses.field(default_factory=LogConfig)
    judge: Literal["test", "validation"] = "test"
    """Part to evaluate on; validation trains without it, to choose settings."""
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    score: ScoreConfig = dataclasses.field(default_factory=ScoreConfig)
    rows: str = "zero,sft,grpo"
    """Stage train: language models to report, joined by commas: zero, sft, sft_long (twice as long)
    and grpo."""
    baselines: str = "random,popularity,item_knn,ease"
    """Stage train: baselines to report, joined by commas."""
    seeds: int = 1
    """Stage train: number of runs, with seeds from --seed upwards. [1 to 1,000]"""

    def __post_init__(self) -> None:
        check_choices(self)
        check_ranges(self, {"[1, 1000]": ("seeds",)})
        listed("rows", self.rows, tuple(NAMED))
        listed("baselines", self.baselines, (*BASELINES, *LANGUAGE_MODELS))

    @property
    def run(self) -> RunConfig:
        """The same as the settings of a task."""
        return RunConfig(
            dataset=self.dataset,
            log=self.log,
            judge=self.judge,
            split="leave_one_out",
            baselines=self.baselines,
            seed=self.training.seed,
            # Of agents alone; these are refused for no log.
            vectors=EmbeddingConfig(embedding="implicit"),
            environment=LoggedConfig(unlogged="constant"),
        )

    def with_seed(self, seed: int) -> LanguageConfig:
        """One of several runs."""
        training = dataclasses.replace(self.training, seed=seed)
        return dataclasses.replace(self, training=training, seeds=1)


def default_name(config: LanguageConfig) -> str:
    """Of a run without one: data set and model."""
    model = pathlib.PurePath(config.training.model.model).name
    return f"llm-{pathlib.PurePath(config.dataset).stem}-{model}"
