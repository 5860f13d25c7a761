"""The stages of the command line; each imports what it needs."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import pathlib
import sys
from typing import TYPE_CHECKING, Any

from drrec.cli.flags import (
    Benchmark,
    Compare,
    Data,
    Device,
    Embed,
    Eval,
    Extract,
    ImportFeatures,
    Recommend,
    Stage,
    Train,
    Tune,
)
from drrec.cli.llm import Llm, import_llm, run_llm
from drrec.cli.serving import (
    SERVING,
    EvaluateLog,
    Serve,
    Update,
    main_data_serving,
    main_evaluate_log,
    main_serve,
    opened_store,
)
from drrec.cli.settings import PRESETS
from drrec.data.published.config import PrepareConfig
from drrec.errors import InputError, escaped
from drrec.files import home
from drrec.reading import read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.cluster.tasks import Cluster
    from drrec.data.config import LogConfig
    from drrec.data.dataset import Dataset
    from drrec.embeddings.pretrain import Content
    from drrec.experiment.config import BenchmarkConfig, RunConfig, TrainConfig
    from drrec.experiment.run import Run
    from drrec.experiment.task import Task
    from drrec.experiment.tuning import Found


LANGUAGE = "llm"
"""The benchmark's table of language models, which --only asks for."""


def _data(arguments: Stage) -> pathlib.Path:
    return arguments.data_dir or home() / "data"


def _root(arguments: Stage) -> pathlib.Path:
    return arguments.runs_dir or home()


def main_data(arguments: Data) -> int:
    """`run.py data`."""
    if arguments.name == SERVING:
        return main_data_serving(arguments)
    from drrec.data.prepared import LOG, prepare_log

    if arguments.name == LOG:
        _say(str(prepare_log(arguments.prepare, arguments.log, _data(arguments))))
        return 0
    from drrec.data.published.prepare import prepare
    from drrec.data.sources import fetch

    config = arguments.prepare
    is_asked = config != PrepareConfig()
    folder = (
        prepare(arguments.name, config, _data(arguments))
        if is_asked
        else fetch(arguments.name, _data(arguments))
    )
    _say(str(folder))
    return 0


def main_extract(arguments: Extract) -> int:
    """`run.py extract`: PyTorch's process, which never loads TensorFlow."""
    config = arguments.extract
    dataset = _fetched(config.dataset, _data(arguments), config.log)
    from drrec.cluster.session import connected
    from drrec.features.encoders import chosen_device
    from drrec.features.extract import extract, summary
    from drrec.features.store import features_path

    gpu = arguments.device.gpu
    with connected(arguments.cluster, takes_card=chosen_device(gpu) != "cpu") as cluster:
        outcomes = extract(config, dataset, _data(arguments), gpu, cluster)
    _say(summary(outcomes, features_path(_data(arguments), dataset.key)))
    return 0


def main_import_features(arguments: ImportFeatures) -> int:
    """`run.py import-features`."""
    from drrec.data.datasets import load_dataset
    from drrec.features.importers import import_features
    from drrec.features.store import features_path

    config = arguments.features
    dataset = load_dataset(config.dataset, _data(arguments), config=config.log)
    path = features_path(_data(arguments), dataset.key)
    for modality, present in import_features(config, dataset, path).items():
        total = dataset.interactions.num_items - 1
        _say(f"{modality}: {present:,} of {total:,} items have features in {path}")
    return 0


def main_embed(arguments: Embed) -> int:
    """`run.py embed`."""
    _select(arguments.device)
    from drrec.experiment.vectors import embed

    config = arguments.train
    task, content = _inputs(config, _data(arguments))
    embed(config, task.train, _root(arguments) / "save_weights", content)
    return 0


def main_train(arguments: Train) -> int:
    """`run.py train` and `train.py`."""
    _select(arguments.device)
    from drrec.experiment.run import Run
    from drrec.experiment.spread import check_cluster

    resumed = Run.find(_root(arguments), arguments.resume) if arguments.resume else None
    if not resumed and arguments.name is not None:
        Run.named(_root(arguments), arguments.name).check_is_new()
    with contextlib.ExitStack() as locks:
        if resumed:
            locks.enter_context(resumed.held())
            resumed.sweep()
        config = resumed.config() if resumed else arguments.train
        if arguments.auto and not resumed:
            minutes = arguments.auto_minutes
            config = _tuned(arguments, arguments.name, config, minutes, _MOST_TRIALS).config
        check_cluster(config, arguments.cluster.ray)
        task, content = _inputs(config, _data(arguments))
        run = resumed or Run.new(_root(arguments), arguments.name, config)
        cluster = locks.enter_context(_cluster(arguments))
        if not resumed:
            locks.enter_context(run.held())
            run.begin(config)
        return _trained(run, config, task, content, cluster)


def _trained(
    run: Run,
    config: TrainConfig,
    task: Task,
    content: Content | None,
    cluster: Cluster | None = None,
) -> int:
    """Train a run from where it stopped, evaluate it and report; the exit status."""
    from drrec.experiment.apart import train_run_apart
    from drrec.experiment.evaluating import evaluate_run, report_run
    from drrec.experiment.train import train_run

    try:
        if cluster is not None and not config.is_spread:
            train_run_apart(cluster, run, config, task, content)
        if train_run(run, config, task, content, cluster):
            metrics = evaluate_run(run, config, task, content)
            _say(report_run(run, config, metrics))
            logging.info("all of it is in %s", run.folder)
            return 0
    except InputError:
        run.remove_if_empty()
        raise
    except KeyboardInterrupt:  # outside of training: say so as within
        pass
    logging.warning("interrupted: go on with --resume %s", run.name)
    return 130


def main_update(arguments: Update) -> int:
    """`run.py update`."""
    _select(arguments.device)
    from drrec.experiment.run import Run
    from drrec.serving.models import latest_trained
    from drrec.serving.updating import unfinished

    root = _root(arguments)
    run = Run.find(root, arguments.run or latest_trained(root))
    if arguments.name is not None:
        Run.named(root, arguments.name).check_is_new()
    with run.held():
        if going := unfinished(run):
            logging.info("%s is not trained to its end: going on with it", going.name)
        new = going or _begun(run, arguments)
        if new is None:
            return 0
        with contextlib.ExitStack() as locks:
            if new != run:
                locks.enter_context(new.held())
            new.sweep()
            try:
                config = new.config()
                return _trained(new, config, *_inputs(config, _data(arguments)))
            except InputError:
                new.remove_if_empty()
                raise


def _begun(run: Run, arguments: Update) -> Run | None:
    """A run that goes on from another; None, and a line that says so, where nothing is new."""
    from drrec.serving.updating import begin_update, feedback_since

    where = arguments.source
    store = opened_store(arguments, None if where is None else str(where))
    try:
        feedback = feedback_since(run, store)
    finally:
        store.close()
    new = None
    if feedback.is_new:
        data = _data(arguments)
        try:
            task = _task(run.config(), data)
        except InputError as error:
            raise InputError(
                f"{error} It is the log that {run.name} was trained on: put it back, or train a "
                "new run."
            ) from error
        new = begin_update(run, task, feedback, data, arguments.name, arguments.steps_share)
    if new is None:
        _say(f"nothing new in {feedback.store} since {run.name}")
    return new


def main_tune(arguments: Tune) -> int:
    """`run.py tune`."""
    _select(arguments.device)
    from drrec.experiment.tuning import CHOSEN

    config, budget = arguments.train, (arguments.minutes, arguments.trials)
    found = _tuned(arguments, arguments.name, config, *budget)
    name = _search_name(arguments.name, config)
    path = _root(arguments) / "save_model" / name / CHOSEN
    _say(
        f"{found.metric} on validation: {found.best:.4f}, by default {found.default:.4f}, in "
        f"{found.trials} trials. To train with it: drrec train --config {path}"
    )
    return 0


_MOST_TRIALS = 1_000


def _search_name(name: str | None, config: TrainConfig) -> str:
    return f"tuning-{name or f'{pathlib.PurePath(config.dataset).stem}-{config.algorithm}'}"


def _tuned(
    arguments: Train | Tune, name: str | None, config: TrainConfig, minutes: float, trials: int
) -> Found:
    """Settings chosen on validation, from those that the data set calls for on."""
    from drrec.experiment.run import Run
    from drrec.experiment.tuning import suited, tune

    run = Run.named(_root(arguments), _search_name(name, config))
    base = suited(config, _fetched(config.dataset, _data(arguments), config.log))
    with run.held(), _cluster(arguments) as cluster:
        found = tune(run, base, _data(arguments), minutes, trials, cluster)
    logging.info(
        "tuned: %s on validation %.4f, by default %.4f, in %d trials",
        *(found.metric, found.best, found.default, found.trials),
    )
    return found


def main_compare(arguments: Compare) -> int:
    """`run.py compare`."""
    _select(arguments.device)
    from drrec.evaluation.report import report_text, write_report
    from drrec.experiment.baselines import forget
    from drrec.experiment.compare import compare
    from drrec.experiment.run import Run

    config = arguments.compare
    run = Run.named(_root(arguments), arguments.name)
    task = _task(config, _data(arguments))
    with run.held(), _cluster(arguments) as cluster:
        metrics = compare(run, config, task, _data(arguments), cluster)
        if metrics is None:
            raise KeyboardInterrupt
        write_report(run.folder, metrics)
        forget(run.weights)
    _say(report_text(metrics))
    logging.info("all of it is in %s", run.folder)
    return 0


def main_benchmark(arguments: Benchmark) -> int:
    """`run.py benchmark`."""
    _select(arguments.device)
    from drrec.experiment.benchmark import benchmark, tables_of, text_of
    from drrec.experiment.run import Run

    config = arguments.benchmark
    dataset = pathlib.PurePath(config.dataset).stem
    path = arguments.tables
    if path is None and config.only == LANGUAGE:
        path, config = PRESETS / "language/benchmark.yaml", dataclasses.replace(config, only="")
        dataset = f"{dataset}-{LANGUAGE}"
        _fetch(config.dataset, _data(arguments))
    path = path or _tables_for(config, _data(arguments))
    tables = tables_of(read_yaml(path), config, str(path))
    run = Run.named(_root(arguments), arguments.name or f"benchmark-{dataset}")
    with run.held(), _cluster(arguments) as cluster:
        found = benchmark(run, tables, _data(arguments), cluster)
    if found is None:
        raise KeyboardInterrupt
    _say(text_of(found))
    logging.info("all of it is in %s", run.folder)
    return 0


def _tables_for(config: BenchmarkConfig, data_dir: pathlib.Path) -> pathlib.Path:
    """The benchmark tables of a data set, which is downloaded if needed."""
    tables = PRESETS / "benchmark"
    dataset = _fetched(config.dataset, data_dir, config.log)
    own = tables / f"{pathlib.PurePath(config.dataset).stem}.yaml"
    if own.is_file():
        return own
    kind = "implicit" if dataset.is_implicit else "explicit"
    return tables / f"{kind}.yaml"


def main_eval(arguments: Eval) -> int:
    """`run.py eval` and `eval.py`."""
    _select(arguments.device)
    from drrec.experiment.evaluating import evaluate_run, report_run
    from drrec.experiment.run import Run
    from drrec.files import to_json

    if arguments.run:
        run = Run.find(_root(arguments), arguments.run)
    else:
        run = Run.latest(_root(arguments), with_content=arguments.with_content)
    with run.held():
        run.sweep()
        config = run.config()
        metrics = evaluate_run(run, config, *_inputs(config, _data(arguments)))
        report = report_run(run, config, metrics)
    _say(to_json(metrics) if arguments.json else report)
    return 0


def _fetched(name_or_path: str, data_dir: pathlib.Path, config: LogConfig | None = None) -> Dataset:
    """A data set, downloaded if needed."""
    from drrec.data.datasets import load_dataset

    _fetch(name_or_path, data_dir)
    return load_dataset(name_or_path, data_dir, config=config)


def _fetch(name_or_path: str, data_dir: pathlib.Path) -> None:
    from drrec.data.datasets import DATASETS
    from drrec.data.sources import fetch

    if name_or_path in DATASETS:
        fetch(name_or_path, data_dir)


def _task(config: RunConfig, data_dir: pathlib.Path) -> Task:
    """The data set, downloaded if needed, and its split."""
    from drrec.experiment.task import Task

    _fetch(config.dataset, data_dir)
    return Task.load(config, data_dir)


def _inputs(config: TrainConfig, data_dir: pathlib.Path) -> tuple[Task, Content | None]:
    """The task of a run, and its content features."""
    from drrec.experiment.vectors import content_of

    task = _task(config, data_dir)
    return task, content_of(config, config.content, task, data_dir)


def main_recommend(arguments: Recommend) -> int:
    """`run.py recommend`."""
    from drrec.cli.recommend import recommended
    from drrec.experiment.run import Run
    from drrec.serving.engine import Engine

    path = Run.find(_root(arguments), arguments.run).served_file()
    engine = Engine.load(path, before_keras=lambda: _select(arguments.device))
    said = recommended(engine, arguments)
    if said:
        _say(said)
    return 0


def main_llm(arguments: Llm) -> int:
    """`run.py llm`: PyTorch's process but for stage train, which begins one."""
    from drrec.experiment.language_config import default_name
    from drrec.experiment.run import Run

    config = arguments.llm
    if arguments.stage == "import":
        name = arguments.name or f"llm-import-{(arguments.source or pathlib.Path()).name}"
        _say(import_llm(arguments, Run.named(_root(arguments), name)))
        return 0
    run = Run.named(_root(arguments), arguments.name or default_name(config))
    data_dir = _data(arguments)
    _say(run_llm(arguments, run, _task(config.run, data_dir), data_dir))
    return 0


def _select(device: Device) -> None:
    from drrec.device import select

    logging.info("device: %s", select(device.gpu))


def _cluster(
    arguments: Train | Tune | Compare | Benchmark,
) -> contextlib.AbstractContextManager[Cluster | None]:
    """What `--ray` asks for; each worker has TensorFlow, on a card of its own if there are any."""
    from drrec.cluster.session import connected
    from drrec.device import select

    gpu = -1 if arguments.device.gpu == -1 else None
    return connected(arguments.cluster, functools.partial(select, gpu), takes_card=gpu is None)


def _say(text: str) -> None:
    sys.stdout.write(escaped(text.rstrip("\n"), keep="\n\t") + "\n")


STAGES: dict[type, Callable[[Any], int]] = {
    Data: main_data,
    Extract: main_extract,
    ImportFeatures: main_import_features,
    Embed: main_embed,
    Train: main_train,
    Tune: main_tune,
    Compare: main_compare,
    Benchmark: main_benchmark,
    Eval: main_eval,
    Recommend: main_recommend,
    Llm: main_llm,
    Serve: main_serve,
    EvaluateLog: main_evaluate_log,
    Update: main_update,
}
