"""The command line: `run.py` has a subcommand for each stage; `train.py` and `eval.py` are two."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import logging
import operator
import pathlib
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import tyro

from drrec.config import CompareConfig, TrainConfig, from_dict
from drrec.data.config import PrepareConfig
from drrec.errors import InputError
from drrec.features.config import ExtractConfig, ImportConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drrec.config import RunConfig
    from drrec.experiment import Judged
    from drrec.models.pretrain import Content

HERE = pathlib.Path()
_DATA = pathlib.Path("data")

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
class Data:
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
class Extract:
    """Encode what items look, sound and read like into data/features/<dataset>.h5."""

    extract: ExtractConfig = dataclasses.field(default_factory=ExtractConfig)
    device: Device = dataclasses.field(default_factory=Device)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportFeatures(ImportConfig):
    """Take features that others made over into data/features/<dataset>.h5."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Embed:
    """Pre-train the vectors of users and items into save_weights/embeddings/."""

    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    device: Device = dataclasses.field(default_factory=Device)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Train:
    """Fetch, pre-train, train, evaluate and report."""

    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    device: Device = dataclasses.field(default_factory=Device)
    name: str | None = None
    """Of the run, its folder in save_model/; by default data set and time."""
    resume: str | None = None
    """Run to go on with, by name or folder: its own settings hold, other flags do not."""
    config: pathlib.Path | None = None
    """YAML file of settings that flags override, such as configs/drr_paper.yaml."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compare:
    """Train a grid of modalities and fusions, and say what each is worth beyond ids alone."""

    compare: CompareConfig = dataclasses.field(default_factory=CompareConfig)
    device: Device = dataclasses.field(default_factory=Device)
    name: str
    """Of the comparison, its folder in save_model/; given again it goes on where it stopped."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Eval:
    """Evaluate a saved run again and print its table."""

    run: str | None = None
    """Name or folder of the run; by default the latest."""
    with_content: bool = False
    """By default the latest run that knows content."""
    json: bool = False
    """Print metrics.json in place of the table."""
    device: Device = dataclasses.field(default_factory=Device)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recommend:
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


def main_data(arguments: Data) -> int:
    """`run.py data`."""
    from drrec.data.prepare import prepare
    from drrec.data.sources import fetch

    config = arguments.prepare
    is_asked = config != PrepareConfig()
    folder = prepare(arguments.name, config, _DATA) if is_asked else fetch(arguments.name, _DATA)
    _say(str(folder))
    return 0


def main_extract(arguments: Extract) -> int:
    """`run.py extract`: PyTorch's process, which never loads TensorFlow."""
    from drrec.data.datasets import DATASETS, load_dataset
    from drrec.data.sources import fetch

    config = arguments.extract
    if config.dataset in DATASETS:
        fetch(config.dataset, _DATA)
    dataset = load_dataset(config.dataset, _DATA)
    from drrec.features.extract import extract, summary
    from drrec.features.store import features_path

    outcomes = extract(config, dataset, _DATA, arguments.device.gpu)
    _say(summary(outcomes, features_path(_DATA, dataset.name)))
    return 0


def main_import_features(arguments: ImportFeatures) -> int:
    """`run.py import-features`."""
    from drrec.data.datasets import load_dataset
    from drrec.features.importers import import_features
    from drrec.features.store import features_path

    dataset = load_dataset(arguments.dataset, _DATA)
    path = features_path(_DATA, dataset.name)
    for modality, present in import_features(arguments, dataset, path).items():
        total = dataset.interactions.num_items - 1
        _say(f"{modality}: {present:,} of {total:,} items have features in {path}")
    return 0


def main_embed(arguments: Embed) -> int:
    """`run.py embed`."""
    _select(arguments.device)
    from drrec import experiment

    config = arguments.train
    judged, content = _inputs(config)
    experiment.embed(config, judged.train, HERE / "save_weights", content)
    return 0


def main_train(arguments: Train) -> int:
    """`run.py train` and `train.py`."""
    _select(arguments.device)
    from drrec import experiment
    from drrec.runs import Run

    resumed = Run.find(HERE, arguments.resume) if arguments.resume else None
    config = resumed.config() if resumed else arguments.train
    judged, content = _inputs(config)
    run = resumed or Run.create(HERE, arguments.name, config)
    if not experiment.train_run(run, config, judged, content):
        logging.warning("interrupted: go on with --resume %s", run.name)
        return 130
    metrics = experiment.evaluate_run(run, config, judged, content)
    _say(experiment.report_run(run, config, metrics))
    logging.info("all of it is in %s", run.folder)
    return 0


def main_compare(arguments: Compare) -> int:
    """`run.py compare`."""
    _select(arguments.device)
    from drrec import experiment
    from drrec.evaluation.report import report_text, write_report
    from drrec.runs import Run

    config = arguments.compare
    run = Run.named(HERE, arguments.name)
    judged = _judged(config)
    metrics = experiment.compare(run, config, judged, _DATA)
    if metrics is None:
        logging.warning("interrupted: the same command goes on where it stopped")
        return 130
    write_report(run.folder, metrics)
    _say(report_text(metrics))
    logging.info("all of it is in %s", run.folder)
    return 0


def main_eval(arguments: Eval) -> int:
    """`run.py eval` and `eval.py`."""
    _select(arguments.device)
    from drrec import experiment
    from drrec.files import to_json
    from drrec.runs import Run

    if arguments.run:
        run = Run.find(HERE, arguments.run)
    else:
        run = Run.latest(HERE, with_content=arguments.with_content)
    config = run.config()
    metrics = experiment.evaluate_run(run, config, *_inputs(config))
    report = experiment.report_run(run, config, metrics)
    _say(to_json(metrics) if arguments.json else report)
    return 0


def _judged(config: RunConfig) -> Judged:
    """The ratings, fetched if need be, and divided."""
    from drrec import experiment
    from drrec.data.datasets import DATASETS
    from drrec.data.sources import fetch

    if config.dataset in DATASETS:
        fetch(config.dataset, _DATA)
    return experiment.Judged.load(config, _DATA)


def _inputs(config: TrainConfig) -> tuple[Judged, Content | None]:
    """What a run learns from and is judged by, and what it knows items by beside ids."""
    from drrec import experiment

    judged = _judged(config)
    return judged, experiment.content_of(config, config.content, judged, _DATA)


def main_recommend(arguments: Recommend) -> int:
    """`run.py recommend`."""
    _select(arguments.device)
    from drrec.files import to_json
    from drrec.runs import Run
    from drrec.serving.export import Export
    from drrec.serving.recommend import as_text, recommend, restored_policy

    run = Run.find(HERE, arguments.run)
    run, config = run.seeds(run.config())[0]
    export = Export.load(run.folder / "export.npz")
    policy = restored_policy(export, config.agent)
    found = recommend(export, policy, arguments.user, arguments.top_k)
    _say(to_json(found) if arguments.json else as_text(found))
    return 0


STAGES: dict[type, Callable[[Any], int]] = {
    Data: main_data,
    Extract: main_extract,
    ImportFeatures: main_import_features,
    Embed: main_embed,
    Train: main_train,
    Compare: main_compare,
    Eval: main_eval,
    Recommend: main_recommend,
}


def run(
    *stages: Any,
    argv: Sequence[str] | None = None,
    prog: str | None = None,
    complaints: TextIO | None = None,
) -> int:
    """Parse the command line, do one stage, and return the exit status.

    Args:
        stages: which there are to choose from; one alone needs no name.
        argv: the arguments; None takes the process's.
        prog: the program's name in `--help`; None takes the process's.
        complaints: where the line about bad input goes; None takes stderr.

    Returns:
        0 if it went well, 2 for bad input, 130 if interrupted.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = _parsed_in_one_line(stages, given, prog)
        return STAGES[type(arguments)](arguments)
    except InputError as error:
        _complain(error, complaints)
        return 2
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        _complain(
            f"Expected to read and write files{where}. Received: {error.strerror or error}. "
            "Make room or mend the permissions, and run again.",
            complaints,
        )
        return 2
    except KeyboardInterrupt:
        _complain("interrupted", complaints)
        return 130


def _parsed_in_one_line(stages: Sequence[Any], given: list[str], prog: str | None) -> Any:
    """Parse; what tyro complains of in a box of many lines becomes one."""
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            return _parsed(stages, given, prog)
    except SystemExit as ended:
        if ended.code:
            lines = box.getvalue().splitlines()[1:]  # the first is a title
            inside = [line.strip("│╰╯─ ") for line in lines]
            said = " ".join(" ".join(line for line in inside if line.strip("-")).split())
            _complain(re.sub(r"Error parsing [^-\s]\S*: ", "", said), None)
        raise


def _parsed(stages: Sequence[Any], given: list[str], prog: str | None) -> Any:
    # The choice of stages is made as the program runs, which tyro's types have no words for.
    parse: Any = functools.partial(
        tyro.cli, args=given, prog=prog, config=(tyro.conf.OmitArgPrefixes,)
    )
    path = _config_path(given) if Train in stages else None
    train = Train(train=_from_yaml(path), config=path) if path else None
    if len(stages) == 1:
        return parse(stages[0], **({"default": train} if train else {}))
    choices: list[Any] = []
    for stage in stages:
        default: dict[str, Any] = {"default": train} if stage is Train and train else {}
        command = re.sub("(?<=[a-z])(?=[A-Z])", "-", stage.__name__).lower()
        named = tyro.conf.subcommand(command, **default)
        choices.append(Annotated[stage, named])
    return parse(functools.reduce(operator.or_, choices))


def _config_path(given: Sequence[str]) -> pathlib.Path | None:
    """The file that --config names: its settings are the defaults that flags override."""
    for position, argument in enumerate(given):
        if argument == "--config" and position + 1 < len(given):
            return pathlib.Path(given[position + 1])
        if argument.startswith("--config="):
            return pathlib.Path(argument.removeprefix("--config="))
    return None


def _from_yaml(path: pathlib.Path) -> TrainConfig:
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"Expected settings in {path}. Received: no such file.") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        line = " ".join(str(error).split())
        raise InputError(f"Expected YAML in {path}. Received: {line}.") from error
    return from_dict(TrainConfig, values or {}, str(path))


def _select(device: Device) -> None:
    from drrec.device import select

    logging.info("device: %s", select(device.gpu))


def _say(text: str) -> None:
    sys.stdout.write(text.rstrip("\n") + "\n")


def _complain(message: object, to: TextIO | None) -> None:
    (to or sys.stderr).write(" ".join(str(message).split()) + "\n")
