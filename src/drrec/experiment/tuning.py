"""Settings chosen on validation, within a budget of minutes: Optuna over those that matter most."""

from __future__ import annotations

import csv
import dataclasses
import functools
import gc
import io
import logging
import math
import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from drrec.agents.training import learn
from drrec.embeddings.implicit import unobserved_weight_of
from drrec.embeddings.pretrain import Pretrained, pretrain
from drrec.errors import InputError
from drrec.evaluation.evaluate import evaluated
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.protocols.rated import eligible_users
from drrec.experiment.baselines import asked_for, made_by
from drrec.experiment.config import TrainConfig, from_dict, laid_over
from drrec.experiment.grid import begin_or_go_on
from drrec.experiment.protocols import trials_of
from drrec.experiment.task import Task, is_implicit
from drrec.experiment.train import agree_on_split, build_agent
from drrec.experiment.vectors import content_of
from drrec.files import write_text, write_yaml
from drrec.reading import read_yaml
from drrec.registry import BASELINES, CONTENT_BASELINES

if TYPE_CHECKING:
    from collections.abc import Callable

    import optuna

    from drrec.data.dataset import Dataset
    from drrec.embeddings.pretrain import Content
    from drrec.experiment.run import Run

logger = logging.getLogger(__name__)

CHOSEN = "tuned.yaml"
"""The settings that were chosen: `train --config` takes them."""

_CHOICES: dict[str, list[Any]] = {
    "dim_emb": [17, 33, 65],
    "popularity": [0.0, 0.1, 0.3, 0.6],
    "popularity_prior": [0.0, 0.3, 1.0, 3.0, 10.0],
    "contrast": [0.0, 1.0, 2.0],
    "embedding": ["both", "variational"],
    "identity": ["prior", "half"],
}
_OF_VECTORS = ["dim_emb", "popularity", "popularity_prior"]
_RANGES = {
    "unobserved_weight": (0.0, 0.0),  # around what the log's density gives
    "embedding_l2": (1e-3, 0.1),
    "noise_precision": (0.3, 5.0),
    "lr_actor": (1e-6, 1e-3),
    "dropout": (0.1, 0.9),
    "lr_content": (3e-4, 1e-2),
}

_OF_BASELINES = {
    "l2": 30.0,
    "num_neighbours": 10.0,
    "shrinkage": 30.0,
    "smoothing": 5.0,
    "bias_damping": 5.0,
    "dim": 4.0,
    "learning_rate": 10.0,
}
"""Settings of baselines that are searched, and by what factor each way."""

_MOST_BASELINE_TRIALS = 30

_PRESETS = pathlib.Path(__file__).parents[1] / "configs"
_LOG = "trials.log"
_STARTUP_TRIALS = 5
_FEWEST_USERS = 50


class Found(NamedTuple):
    """What a search came to."""

    config: TrainConfig
    metric: str
    best: float
    default: float
    trials: int


def suited(config: TrainConfig, dataset: Dataset) -> TrainConfig:
    """The settings with those that the data call for, where they were left at their defaults.

    A log without ratings, and the split leave_one_out, which ranks the whole catalogue, get the
    preset for that.
    """
    if is_implicit(dataset) or config.split == "leave_one_out":
        name = "supervised_full" if config.algorithm == "supervised" else "whole_catalogue"
        default = dataclasses.asdict(TrainConfig(algorithm=config.algorithm))
        own = _changed(dataclasses.asdict(config), default)
        asked = laid_over(read_yaml(_PRESETS / f"{name}.yaml"), own)
        asked["algorithm"] = config.algorithm
        known = {field.name for field in dataclasses.fields(type(config.agent))}
        agent = asked.get("agent", {})
        asked["agent"] = {key: value for key, value in agent.items() if key in known}
        config = from_dict(TrainConfig, laid_over(default, asked), f"the preset {name}")
    return config


def tune(
    run: Run, config: TrainConfig, data_dir: pathlib.Path, minutes: float, most_trials: int
) -> Found:
    """Search settings on validation and write `tuned.yaml`; the first trial is the default.

    The baselines that are asked for are searched with the same budget each, 30 trials at most. A
    trial of the agent is given up as its vectors alone rank worse than those of half of the trials
    before it, before any step. The same call goes on with a search that was stopped.

    Args:
        run: where its trials are kept.
        config: what is not searched, and where the search begins; see `suited`.
        data_dir: where data sets and features are.
        minutes: the budget of each method, all calls together; its default is tried anyway.
        most_trials: after how many it stops.

    Raises:
        InputError: Optuna is not there, the data do not fit the settings, or the search was begun
            with other settings or ratings.
        KeyboardInterrupt: it was stopped.
    """
    _optuna()  # said before anything is done
    judged = dataclasses.replace(config, judge="validation", also="")
    task = _task(judged, data_dir)
    judged = dataclasses.replace(judged, min_items=_min_items(judged, task))
    content = content_of(judged, judged.content, task, data_dir)
    begin_or_go_on(run, dataclasses.asdict(judged))
    agree_on_split(run, task)
    name = _protocol(judged, task)
    primary = protocol_of(name).primary
    is_more = protocol_of(name).higher_is_better(primary)
    search = Search(run.folder, judged.seed, minutes, is_more)
    objective = functools.partial(_objective, judged, task, content, name)
    study = search(config.algorithm, _defaults(judged, task), objective, most_trials)
    whole = [trial for trial in _ended(study) if trial.state.name == "COMPLETE"]
    if not whole:
        raise InputError(
            f"Expected a trial that ends with a finite {primary} for {config.dataset}. Received: "
            "none. Train with the defaults to see why."
        )
    chosen = _with(config, study.best_params, task)
    tuned = _baselines(search, judged, task, content, name, min(most_trials, _MOST_BASELINE_TRIALS))
    chosen = dataclasses.replace(chosen, min_items=judged.min_items, tuned=tuned)
    write_yaml(run.folder / CHOSEN, dataclasses.asdict(chosen))
    first = next((trial.value for trial in whole if trial.number == 0), math.nan)
    return Found(chosen, primary, study.best_value, first, len(_ended(study)))


class Search(NamedTuple):
    """Searches of one budget each, kept in a folder."""

    folder: pathlib.Path
    seed: int
    minutes: float
    is_more: bool

    def __call__(
        self,
        name: str,
        default: dict[str, Any],
        objective: Callable[[optuna.Trial], float],
        most_trials: int,
    ) -> optuna.Study:
        """Try the default, then others, until the budget is spent."""
        optuna = _optuna()
        study = optuna.create_study(
            study_name=name,
            storage=_storage(optuna, self.folder / _LOG),
            load_if_exists=True,
            direction="maximize" if self.is_more else "minimize",
            sampler=optuna.samplers.TPESampler(seed=self.seed, n_startup_trials=_STARTUP_TRIALS),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP_TRIALS),
        )
        if not study.trials:
            study.enqueue_trial(default)
        left = 60 * self.minutes - sum(_seconds(trial) for trial in study.trials)
        num_left = most_trials - len(_ended(study))
        if num_left > 0 and (left > 0 or not _ended(study)):
            study.optimize(
                objective,
                n_trials=num_left,
                timeout=max(left, 1e-3),
                catch=(InputError,),
                callbacks=[lambda study, _: _write_trials(self.folder / f"{name}.csv", study)],
            )
        return study


def _baselines(
    search: Search,
    config: TrainConfig,
    task: Task,
    content: Content | None,
    protocol: str,
    most_trials: int,
) -> dict[str, dict[str, Any]]:
    """Settings of the baselines that are asked for, each searched with the agent's budget."""
    found: dict[str, dict[str, Any]] = dict(config.tuned)
    made: dict[str, Any] = {name: BASELINES[name] for name in asked_for(config.baselines)}
    if content:
        for name, cls in CONTENT_BASELINES.items():
            made[name] = functools.partial(cls, content.features)
    for name, baseline in made.items():
        default = _searched(made_by(name, baseline, config))
        if not default:
            continue

        def objective(
            trial: optuna.Trial,
            name: str = name,
            baseline: Any = baseline,
            default: dict[str, Any] = default,
        ) -> float:
            settings = {key: _near(trial, key, value) for key, value in default.items()}
            tried = dataclasses.replace(config, tuned={name: settings})
            return _value(made_by(name, baseline, tried).fit(task.train), config, task, protocol)

        study = search(name, default, objective, most_trials)
        if any(trial.state.name == "COMPLETE" for trial in study.trials):
            found[name] = _rounded(study.best_params)
            best, first = study.best_value, study.trials[0].value
            logger.info(
                "%s: %.4f, by default %.4f", name, best, math.nan if first is None else first
            )
    return found


def _searched(model: Any) -> dict[str, Any]:
    """The settings of a baseline that are searched, as they are by default."""
    settings = model.settings() if hasattr(model, "settings") else {}
    return {
        name: value
        for name, value in settings.items()
        if name in _OF_BASELINES and isinstance(value, int | float) and value > 0
    }


def _near(trial: optuna.Trial, name: str, default: float) -> float:
    factor = _OF_BASELINES[name]
    if isinstance(default, int):
        low, high = max(1, round(default / factor)), round(default * factor)
        return trial.suggest_int(name, low, high, log=True)
    return trial.suggest_float(name, default / factor, default * factor, log=True)


def _objective(
    config: TrainConfig,
    task: Task,
    content: Content | None,
    protocol: str,
    trial: optuna.Trial,
) -> float:
    import optuna

    tried = _with(config, _suggested(trial, config, task), task)
    pretrained: Pretrained = pretrain(task.train, tried.vectors, tried.seed, content)
    agent = build_agent(tried, task, pretrained.prefix, content)
    agent.finish(task.train_data, pretrained.final)
    early = _value(agent, tried, task, protocol)
    trial.report(early, 0)
    if trial.should_prune():
        logger.info("trial %d: %.4f before training, given up", trial.number, early)
        raise optuna.TrialPruned
    if not learn(agent, tried.steps, (), f"trial {trial.number}"):
        raise KeyboardInterrupt
    agent.finish(task.train_data, pretrained.final)
    value = _value(agent, tried, task, protocol)
    logger.info("trial %d: %.4f, %.4f before training", trial.number, value, early)
    del agent
    gc.collect()  # an agent and what it compiled hold each other
    return value


def _value(model: Any, config: TrainConfig, task: Task, protocol: str) -> float:
    """The mean of the protocol's primary metric."""
    trials = {protocol: trials_of(config, task)[protocol]}
    size = config.environment.state_size
    found = evaluated({"it": model}, trials, task.train, seed=config.seed, state_size=size)
    return float(np.nanmean(found.cube(protocol).of("it", protocol_of(protocol).primary)))


def _protocol(config: TrainConfig, task: Task) -> str:
    """What is searched for: sessions if it learns in such, else the split's own."""
    names = [*trials_of(config, task)]
    if config.environment.sessions == "living":
        return "session"
    return "cold_items" if config.cold_items and config.content.modality else names[0]


def _suggested(trial: optuna.Trial, config: TrainConfig, task: Task) -> dict[str, Any]:
    """What a trial tries, among which the settings as they are always lie."""
    defaults = _defaults(config, task)
    found: dict[str, Any] = {}
    for name, default in defaults.items():
        if name in _RANGES:
            low, high = _RANGES[name]
            if name == "unobserved_weight":
                weight = unobserved_weight_of(task.train, None)
                low, high = weight / 30, min(1.0, 10 * weight)
            span = min(low, default), max(high, default)
            found[name] = trial.suggest_float(name, *span, log=name != "dropout")
        else:
            choices = dict.fromkeys([*_CHOICES[name], default])
            found[name] = trial.suggest_categorical(name, [*choices])
    return found


def _defaults(config: TrainConfig, task: Task) -> dict[str, Any]:
    """What is searched, with the settings as they are."""
    weight = unobserved_weight_of(task.train, config.vectors.unobserved_weight)
    values = vars(config.vectors) | {"unobserved_weight": weight}
    if config.vectors.embedding == "implicit":
        names = ["unobserved_weight", "embedding_l2"]
    else:
        names = ["embedding", "noise_precision"]
    found = {name: values[name] for name in _OF_VECTORS + names}
    found["lr_actor"] = config.agent.lr_actor
    if config.content.modality:
        content = config.content
        names = ["identity", "dropout", "lr_content", "contrast"]
        found |= {name: getattr(content, name) for name in names}
    return found


def _with(config: TrainConfig, values: dict[str, Any], task: Task) -> TrainConfig:
    """The settings with some of them replaced, by name, wherever they belong."""
    rounded = _rounded(values)
    weight = unobserved_weight_of(task.train, None)
    if math.isclose(rounded.get("unobserved_weight", 0.0), weight, rel_tol=1e-3):
        rounded["unobserved_weight"] = None  # the default, which goes with the log
    parts: dict[str, Any] = {}
    for part in ("vectors", "content", "agent"):
        before = getattr(config, part)
        own = {field.name for field in dataclasses.fields(before)}
        changed = {name: value for name, value in rounded.items() if name in own}
        parts[part] = dataclasses.replace(before, **changed)
    return dataclasses.replace(config, **parts)


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    """With four digits."""
    return {
        name: float(f"{value:.4g}") if isinstance(value, float) else value
        for name, value in values.items()
    }


def _task(config: TrainConfig, data_dir: pathlib.Path) -> Task:
    """The task, with as small a `min_items` as its check needs."""
    return Task.load(dataclasses.replace(config, min_items=1), data_dir)


def _min_items(config: TrainConfig, task: Task) -> int:
    """The least test items of a user, lowered until enough users are judged."""
    if config.split == "leave_one_out" or is_implicit(task.dataset):
        return config.min_items
    for least in range(config.min_items, 1, -1):
        if len(eligible_users(task.test, least)) >= _FEWEST_USERS:
            return least
    return config.min_items if len(eligible_users(task.test, config.min_items)) else 1


def _changed(values: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    """What differs from the default, at every depth."""
    found = {}
    for key, value in values.items():
        before = default.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := _changed(value, before):
                found[key] = inner
        elif value != before:
            found[key] = value
    return found


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise InputError(
            "Expected Optuna, to tune. Received: none. Install it: pip install 'drrec[tune]'."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _storage(optuna: Any, path: pathlib.Path) -> Any:
    from optuna.storages.journal import JournalFileBackend

    return optuna.storages.JournalStorage(JournalFileBackend(str(path)))


def _ended(study: optuna.Study) -> list[Any]:
    return [trial for trial in study.trials if trial.state.is_finished()]


def _seconds(trial: Any) -> float:
    return trial.duration.total_seconds() if trial.duration else 0.0


def _write_trials(path: pathlib.Path, study: optuna.Study) -> None:
    """`trials.csv`: a row for each, with what it tried and came to."""
    names = list(dict.fromkeys(name for trial in study.trials for name in trial.params))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", "value", "before_training", "seconds", *names])
    for trial in _ended(study):
        early = trial.intermediate_values.get(0)
        values = [trial.value if trial.state.name == "COMPLETE" else None, early]
        row = [trial.number, trial.state.name.lower(), *values, f"{_seconds(trial):.1f}"]
        writer.writerow([*row, *(trial.params.get(name) for name in names)])
    write_text(path, text.getvalue())
