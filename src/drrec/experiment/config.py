"""What a run is made of: each part's settings beside that part, nested here."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import pathlib
import types
import typing
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import tyro

from drrec.agents.config import AgentConfig, DDPGConfig, PPOConfig, check_blend
from drrec.data.config import LogConfig
from drrec.embeddings.config import ContentConfig, EmbeddingConfig, GridConfig, listed
from drrec.envs.config import LoggedConfig
from drrec.errors import InputError, shown
from drrec.ranges import check_ranges
from drrec.reading import conform
from drrec.registry import AGENTS, PROTOCOLS, AgentName, agent_config, check_choices

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

FLAGS = {"from": "source"}
"""Settings by the names of their flags, where Python keeps those to itself."""

ALSO = ("unmasked", "sampled", "sampled_9", "simulator", "offpolicy")
"""What runs beside the split's own protocol if asked for; protocols of plug-ins do, too."""

OWN = ("rated", "full", "ranked", "cold_items", "cold_users", "session", "drifting")
"""Protocols that run where the split or the data call for them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Settings of training and evaluation, except those of content."""

    dataset: str = "ml-100k"
    """Built-in data set, or a path: a folder of RecBole or MovieLens files, or a file,
    .csv, .tsv, .inter, .jsonl or .parquet, also packed as .gz or .zip."""
    repeats: Literal["drop", "keep"] | None = None
    """Rows with the same user and item: drop all but the latest, or keep all.
    By default as the data set was prepared, else drop."""
    split: Literal[
        "temporal", "leave_one_out", "global_time", "user", "item", "random", "given"
    ] = "temporal"
    """Split strategy. leave_one_out is evaluated over the whole catalogue.
    given is the split that comes with the data set."""
    test_share: float = 0.2
    """Share of the test part: of each user's ratings, or of all, users or items, as the split
    says; leave_one_out and given have their own. (0 to 1)"""
    validation_share: float = 0.1
    """Share of the validation part, in the same way. [0 to 1)"""
    judge: Literal["test", "validation"] = "test"
    """Part to evaluate on. test: fit on train and validation;
    validation: fit on train only, to choose settings."""
    min_items: int = 10
    """Protocol rated: minimum number of test items of an evaluated user. [1 to 10^9]"""
    cold_items: float = 0.0
    """Share of the items held out of training, and evaluated as cold items. [0 to 0.5)"""
    cold_users: float = 0.0
    """Share of the users held out of training, and evaluated as cold users. [0 to 0.5)"""
    cold_seed: int = 0
    """Random seed of the cold items and users; the same for all --seeds. [0 to 2^31 - 1]"""
    features: str | None = None
    """HDF5 file of content features; by default data/features/<dataset>.h5.
    Extracted if missing."""
    baselines: str = "random,popularity,item_cf,item_knn,pmf,variational"
    """Baselines to compare with, joined by commas; all is every baseline."""
    tuned: Annotated[dict[str, dict[str, Any]], tyro.conf.Suppress] = dataclasses.field(
        default_factory=dict
    )
    """Settings of baselines that are not their defaults, by name, as `tune` writes them."""
    also: str = ""
    """More protocols, joined by commas: unmasked, sampled, sampled_9, with --split leave_one_out;
    simulator; tiring, the simulator with users who tire; observed, with --split given of coat and
    kuairec; offpolicy, which adds off-policy estimates."""
    steps: int = 40_000
    """Environment steps to train for, over all sessions. [1 to 10^12]"""
    algorithm: AgentName = "ddpg"
    """Agent to train; --help --algorithm NAME shows that agent's flags."""
    seed: int = 0
    """Random seed. Does not affect the split. [0 to 2^31 - 1]"""
    seeds: int = 1
    """Number of runs, with seeds from --seed upwards; tables give mean and spread. [1 to 1,000]"""
    log: LogConfig = dataclasses.field(default_factory=LogConfig)
    vectors: EmbeddingConfig = dataclasses.field(default_factory=EmbeddingConfig)
    environment: LoggedConfig = dataclasses.field(default_factory=LoggedConfig)
    agent: AgentConfig = dataclasses.field(default_factory=DDPGConfig)

    def __post_init__(self) -> None:
        check_ranges(
            self,
            {
                "[1, 1000000000]": ("min_items",),
                "[1, 1000000000000]": ("steps",),
                "[1, 1000]": ("seeds",),
                "[0, 2147483647]": ("seed", "cold_seed"),
            },
        )
        check_choices(self)
        vectors = self.vectors.in_sessions(self.environment.sessions)
        object.__setattr__(self, "vectors", vectors)
        own = agent_config(self.algorithm)
        if own is not DDPGConfig and self.agent == DDPGConfig():
            object.__setattr__(self, "agent", own())  # nothing was said of another algorithm
        if type(self.agent) is not own:
            raise InputError(
                f"Expected settings of {self.algorithm}, {own.__name__}. Received: "
                f"{type(self.agent).__name__}. Give the algorithm with its own settings."
            )
        also = self.asked_also
        if self.split != "leave_one_out" and {"unmasked", "sampled", "sampled_9"} & {*also}:
            raise InputError(
                "Expected --split leave_one_out for the protocols unmasked, sampled and sampled_9. "
                f"Received: {self.split}."
            )
        for name in ("cold_items", "cold_users"):
            if not 0 <= getattr(self, name) < 0.5:
                raise InputError(
                    f"`{name}` must be in [0, 0.5), as as many are kept for validation. "
                    f"Received: {getattr(self, name)}. Try 0.1."
                )

    @property
    def asked_also(self) -> tuple[str, ...]:
        """The names in `also`.

        Raises:
            InputError: one is unknown, or there twice.
        """
        others = (name for name in PROTOCOLS if name not in {*OWN, *ALSO})
        return listed("also", self.also, (*ALSO, *others))


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig(RunConfig):
    """Settings of a training run."""

    content: ContentConfig = dataclasses.field(default_factory=ContentConfig)
    final_fit: bool = True
    """After training, fit embeddings and histories to the whole log, test part included, for
    `recommend`. Tables never use it."""
    control: bool = True
    """With content: also train the same agent on ids only, to measure what content adds."""
    rollout_workers: int = 0
    """With --ray: processes that play the sessions beside the learner; 0: it plays them itself.
    Must divide --num-envs. [0 to 64]"""
    data_parallel: int = 1
    """With --ray: processes that learn together, each with its part of sessions, replay and batch;
    their gradients are averaged. Must divide --num-envs and --batch-size. [1 to 64]"""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, {"[0, 64]": ("rollout_workers",), "[1, 64]": ("data_parallel",)})
        if self.rollout_workers and self.data_parallel > 1:
            raise InputError(
                "Expected --rollout-workers or --data-parallel. "
                f"Received: {self.rollout_workers} and {self.data_parallel}. Choose one."
            )
        for name in ("rollout_workers", "data_parallel"):
            self._check_divides(name, "num_envs")
        self._check_divides("data_parallel", "batch_size")
        if isinstance(self.agent, PPOConfig):
            steps = self.agent.num_envs // self.data_parallel * self.agent.horizon
            if steps % self.agent.minibatches:
                raise InputError(
                    f"`minibatches` must divide the {steps} steps that each of {self.data_parallel}"
                    f" processes has in a rollout. Received: {self.agent.minibatches}."
                )
        check_blend(self.agent, self.content.modality)

    @property
    def is_spread(self) -> bool:
        """Whether several processes train one seed together."""
        return self.rollout_workers > 0 or self.data_parallel > 1

    def _check_divides(self, name: str, setting: str) -> None:
        count, total = getattr(self, name), getattr(self.agent, setting, 0)
        if count and total % count:
            raise InputError(f"`{name}` must divide `{setting}` = {total}. Received: {count}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareConfig(RunConfig):
    """One run for each variant of content, all else equal."""

    grid: GridConfig = dataclasses.field(default_factory=GridConfig)

    def with_content(self, content: ContentConfig) -> TrainConfig:
        """The run of one variant."""
        shared: dict[str, Any] = {
            f.name: getattr(self, f.name) for f in dataclasses.fields(RunConfig)
        }
        return TrainConfig(**shared, content=content, control=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """Settings shared by all tables of a benchmark."""

    dataset: str = "ml-100k"
    """Built-in data set, or the path of your own, as in `train`."""
    log: LogConfig = dataclasses.field(default_factory=LogConfig)
    judge: Literal["test", "validation"] = "test"
    """Part to evaluate on; validation fits on train only, to choose settings."""
    seed: int = 0
    """First random seed. [0 to 2^31 - 1]"""
    seeds: int = 1
    """Number of runs of each agent, with seeds from --seed upwards. [1 to 1,000]"""
    baselines: str | None = None
    """Baselines to compare with, joined by commas; by default those of the tables."""
    only: str = ""
    """Agents to train, joined by commas; '' is all agents of the tables. Tables that have none of
    them are left out. llm stands for the table of language models."""


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` where it says something, else `below`, at every depth."""
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = laid_over(merged[key], value)
        else:
            merged[key] = value
    return merged


def from_dict(cls: type[T], values: Any, where: str) -> T:
    """Build a dataclass from nested plain values, as JSON and YAML give them.

    Raises:
        InputError: a key is unknown or a value of the wrong type; `where` names the file.
    """
    arguments = checked(cls, values, where)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    for field in fields:
        no_default = field.default is field.default_factory is dataclasses.MISSING
        if no_default and field.name not in arguments:
            raise InputError(f"Expected `{field.name}` in {where}. Received: nothing of that name.")
    try:
        return cls(**arguments)
    except InputError as error:
        raise InputError(f"{error} This is in {where}.") from error


def checked(cls: type[Any], values: Any, where: str) -> dict[str, Any]:
    """The arguments of a dataclass out of nested plain values; some may be missing.

    Raises:
        InputError: a key is unknown or a value of the wrong type.
    """
    if not isinstance(values, dict):
        raise InputError(f"Expected settings by name in {where}. Received: {shown(values)}.")
    hints = typing.get_type_hints(cls)
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        key = FLAGS.get(key, key)
        if key not in hints:
            near = difflib.get_close_matches(str(key), hints, n=1)
            hint = f"Did you mean {shown(near[0])}?" if near else f"There are: {', '.join(hints)}."
            raise InputError(f"Expected a known setting in {where}. Received: {shown(key)}. {hint}")
        kind = hints[key]
        if dataclasses.is_dataclass(kind):
            if isinstance(kind, type) and issubclass(kind, AgentConfig):
                kind = agent_config(AGENTS.checked(values.get("algorithm", "ddpg"), "algorithm"))
            arguments[key] = from_dict(kind, value, where)
        else:
            arguments[key] = _checked(key, value, hints[key], where)
    return arguments


def _checked(key: str, value: Any, hint: Any, where: str) -> Any:
    if typing.get_origin(hint) is dict:
        conform(value, {str: {str: (str, int, float, bool, None)}}, f"{where}, {key}")
        return value
    # `X | None` has the origin types.UnionType, `Literal[…] | None` typing.Union.
    is_union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    options = typing.get_args(hint) if is_union else (hint,)
    if float in options and isinstance(value, int | str) and not isinstance(value, bool):
        # YAML 1.1 takes 1e-4, which has no point, for a word.
        with contextlib.suppress(ValueError, OverflowError):
            value = float(value)
    if pathlib.Path in options and isinstance(value, str):
        return pathlib.Path(value)
    allowed = [word for option in options for word in typing.get_args(option)]  # of a Literal
    kinds = [option for option in options if typing.get_origin(option) is not Literal]
    if value not in allowed and type(value) not in kinds:
        named = [*allowed, *("none" if k is types.NoneType else k.__name__ for k in kinds)]
        raise InputError(
            f"Expected `{key}` in {where} to be {' or '.join(map(str, named))}. "
            f"Received: {shown(value)}."
        )
    return value
