"""The flags of each stage: a dataclass of settings that tyro turns into a command line."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Literal

import tyro

from drrec.cluster.config import RayConfig
from drrec.data.config import LogConfig
from drrec.data.published.config import PrepareConfig
from drrec.experiment.config import BenchmarkConfig, CompareConfig, TrainConfig
from drrec.features.config import ExtractConfig, ImportConfig
from drrec.limits import Limits
from drrec.ranges import check_ranges

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
    "coat",
    "kuairec",
    "log",
    "serving",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """Flags of every stage."""

    config: pathlib.Path | None = None
    """Settings that flags override: a YAML file, such as a run's config.yaml, or a preset,
    drr_paper, supervised_full or whole_catalogue."""
    data_dir: pathlib.Path | None = None
    """Folder of the data sets; by default data/ in DRREC_HOME, else in the working folder."""
    runs_dir: pathlib.Path | None = None
    """Parent folder of save_model/ and save_weights/.
    By default DRREC_HOME, else the working folder."""
    limits: Limits = dataclasses.field(default_factory=Limits)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data(Stage):
    """Download, generate or prepare a data set in data/."""

    name: tyro.conf.Positional[Name]
    """Data set; `log` is one of your own."""
    prepare: PrepareConfig = dataclasses.field(default_factory=PrepareConfig)
    log: LogConfig = dataclasses.field(default_factory=LogConfig)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Device:
    """Compute device."""

    gpu: int | None = None
    """GPU index; -1 is the CPU. By default the first GPU, if there is one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Extract(Stage):
    """Extract content features of media and text into data/features/<dataset>.h5."""

    extract: ExtractConfig = dataclasses.field(default_factory=ExtractConfig)
    device: Device = dataclasses.field(default_factory=Device)
    cluster: RayConfig = dataclasses.field(default_factory=RayConfig)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportFeatures(Stage):
    """Import precomputed content features into data/features/<dataset>.h5."""

    features: ImportConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Embed(Stage):
    """Pre-train user and item embeddings into save_weights/embeddings/."""

    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    device: Device = dataclasses.field(default_factory=Device)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Train(Stage):
    """Train an agent, evaluate it beside baselines, and report."""

    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    device: Device = dataclasses.field(default_factory=Device)
    cluster: RayConfig = dataclasses.field(default_factory=RayConfig)
    name: str | None = None
    """Run name; the run's folder under save_model/. By default data set, agent and time."""
    resume: str | None = None
    """Run to resume, by name or folder; its own settings are used, other flags are ignored."""
    auto: bool = False
    """Choose settings on validation first, see `tune`; those that the log calls for are set."""
    auto_minutes: float = 5.0
    """Budget of --auto in minutes, for the agent and for each baseline. (0 to 100,000]"""

    def __post_init__(self) -> None:
        check_ranges(self, {"(0, 100000]": ("auto_minutes",)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tune(Stage):
    """Search settings on validation and write tuned.yaml, for train --config."""

    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    device: Device = dataclasses.field(default_factory=Device)
    cluster: RayConfig = dataclasses.field(default_factory=RayConfig)
    name: str | None = None
    """Name of the search; its folder under save_model/. By default tuning-<dataset>-<agent>.
    An existing search goes on."""
    minutes: float = 10.0
    """Budget in minutes of the agent and of each baseline, over all calls; the default settings
    are tried anyway. (0 to 100,000]"""
    trials: int = 1_000
    """Maximum number of trials. [1 to 10^6]"""

    def __post_init__(self) -> None:
        check_ranges(self, {"(0, 100000]": ("minutes",), "[1, 1000000]": ("trials",)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compare(Stage):
    """Train a grid of modalities and fusions, and compare each with ids only."""

    compare: CompareConfig = dataclasses.field(default_factory=CompareConfig)
    device: Device = dataclasses.field(default_factory=Device)
    cluster: RayConfig = dataclasses.field(default_factory=RayConfig)
    name: str
    """Run name; the run's folder under save_model/. An existing run is resumed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark(Stage):
    """Train all agents, evaluate them beside all baselines, and print the tables."""

    benchmark: BenchmarkConfig = dataclasses.field(default_factory=BenchmarkConfig)
    device: Device = dataclasses.field(default_factory=Device)
    cluster: RayConfig = dataclasses.field(default_factory=RayConfig)
    name: str | None = None
    """Run name; the run's folder under save_model/. By default benchmark-<dataset>.
    An existing run is resumed."""
    tables: pathlib.Path | None = None
    """YAML file of tables and agents; by default the package's own for the data set, or else its
    one for ratings or for logs without."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Eval(Stage):
    """Evaluate a saved run again and print its table."""

    run: str | None = None
    """Run name or folder; by default the latest run."""
    with_content: bool = False
    """Without --run: the latest run with content."""
    json: bool = False
    """Print metrics.json instead of the table."""
    device: Device = dataclasses.field(default_factory=Device)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recommend(Stage):
    """Recommend items by a saved run: to known users, to a new user, or like an item."""

    run: str
    """Run name or folder."""
    user: str | None = None
    """Raw user ids, as in the data set, joined by commas, or @FILE with one on each line;
    `all` is every user."""
    liked: str | None = None
    """Raw ids of items that a new user likes, joined by commas, most recent last."""
    similar_to: str | None = None
    """Raw id of an item to find similar ones for."""
    top_k: int = 10
    """K, number of items. [>= 1]"""
    filter: str | None = None
    """Raw ids of items to leave out, joined by commas, or @FILE with one on each line."""
    among: str | None = None
    """Raw ids of items to choose among, in the same form; by default the whole catalogue."""
    keep_seen: bool = False
    """Recommend items that the user has in the log, too."""
    out: pathlib.Path | None = None
    """Write user, item, score, rank to this .csv, .jsonl or .parquet file instead of printing."""
    json: bool = False
    """Print JSON instead of a table."""
    device: Device = dataclasses.field(default_factory=Device)
