"""The flags of each stage: a dataclass of settings that tyro turns into a command line."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Literal

import tyro

from drrec.data.published.config import PrepareConfig
from drrec.experiment.config import BenchmarkConfig, CompareConfig, TrainConfig
from drrec.features.config import ExtractConfig, ImportConfig

Name = Literal[
    "ml-100k",
    "ml-1m",
    "ml-20m",
    "ml-25m",
    "ml-latest-small",
    "demo",
    "lastfm-1k",
    "amazon-2018",
    "amazon-2023",
    "yelp",
    "microlens",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """What every stage knows."""

    config: pathlib.Path | None = None
    """Settings that flags override: a YAML file, such as a run's config.yaml, or a preset,
    drr_paper, supervised_full or whole_catalogue."""
    data_dir: pathlib.Path | None = None
    """Folder of the data sets; by default data/ in DRREC_HOME, else in the working folder."""
    runs_dir: pathlib.Path | None = None
    """Folder that holds save_model/ and save_weights/; by default DRREC_HOME, else the working
    folder."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data(Stage):
    """Put a data set into data/: fetched and checked, made, or prepared `--from` a folder."""

    name: tyro.conf.Positional[Name]
    """Which."""
    prepare: PrepareConfig = dataclasses.field(default_factory=PrepareConfig)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Device:
    """Where to compute."""

    gpu: int | None = None
    """Number of the card; -1 is the processor; by default the first card if there is one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Extract(Stage):
    """Encode what items look, sound and read like into data/features/<dataset>.h5."""

    extract: ExtractConfig = dataclasses.field(default_factory=ExtractConfig)
    device: Device = dataclasses.field(default_factory=Device)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportFeatures(Stage):
    """Take features that others made over into data/features/<dataset>.h5."""

    features: ImportConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Embed(Stage):
    """Pre-train the vectors of users and items into save_weights/embeddings/."""

    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    device: Device = dataclasses.field(default_factory=Device)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Train(Stage):
    """Fetch, pre-train, train, evaluate and report."""

    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    device: Device = dataclasses.field(default_factory=Device)
    name: str | None = None
    """Run name; the run's folder under save_model/. By default data set, agent and time."""
    resume: str | None = None
    """Run to resume, by name or folder; its own settings are used, other flags are ignored."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compare(Stage):
    """Train a grid of modalities and fusions, and say what each is worth beyond ids alone."""

    compare: CompareConfig = dataclasses.field(default_factory=CompareConfig)
    device: Device = dataclasses.field(default_factory=Device)
    name: str
    """Of the comparison, its folder in save_model/; given again it goes on where it stopped."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark(Stage):
    """Train every agent, judge them and every baseline, and print the whole table of a data set."""

    benchmark: BenchmarkConfig = dataclasses.field(default_factory=BenchmarkConfig)
    device: Device = dataclasses.field(default_factory=Device)
    name: str | None = None
    """Of its folder in save_model/, by default benchmark-<data set>; given again it goes on."""
    tables: pathlib.Path | None = None
    """YAML file of tables and agents; by default the package's own for the data set, or else its
    one for ratings or for logs without."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Eval(Stage):
    """Evaluate a saved run again and print its table."""

    run: str | None = None
    """Name or folder of the run; by default the latest."""
    with_content: bool = False
    """By default the latest run that knows content."""
    json: bool = False
    """Print metrics.json in place of the table."""
    device: Device = dataclasses.field(default_factory=Device)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recommend(Stage):
    """Print what a saved run would show a user next."""

    run: str
    """Name or folder of the run."""
    user: str
    """Raw id of the user, as in the data set."""
    top_k: int = 10
    """K, how many items. [>= 1]"""
    json: bool = False
    """Print JSON in place of a table."""
    device: Device = dataclasses.field(default_factory=Device)
