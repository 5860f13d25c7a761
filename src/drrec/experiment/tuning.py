"""Settings chosen on validation, within a budget of minutes: Optuna over those that matter most."""

from __future__ import annotations

import dataclasses
import functools
import gc
import logging
import math
import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple

from drrec.agents.training import learn
from drrec.embeddings.implicit import unobserved_weight_of
from drrec.embeddings.pretrain import Pretrained, pretrain
from drrec.errors import InputError
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.protocols.rated import eligible_users
from drrec.experiment.blends import best_blend, tuned_baselines
from drrec.experiment.config import TrainConfig, from_dict, laid_over
from drrec.experiment.grid import begin_or_go_on
from drrec.experiment.protocols import trials_of
from drrec.experiment.search import Bench, Search, ended, found_any, optuna_module, rounded
from drrec.experiment.task import Task
from drrec.experiment.train import agree_on_split, build_agent
from drrec.experiment.vectors import content_of
from drrec.files import write_yaml
from drrec.reading import read_yaml
from drrec.saving import load, notes_in, write_model

if TYPE_CHECKING:
    import optuna

    from drrec.agents.base import Agent
    from drrec.base import Recommender
    from drrec.cluster.tasks import Cluster
    from drrec.data.dataset import Dataset
    from drrec.experiment.run import Run

logger = logging.getLogger(__name__)

CHOSEN = "tuned.yaml"
"""The settings that were chosen: `train --config` takes them."""

BEST = "best.drrec"
"""The agent of the best trial so far, fitted to the training part."""

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

_PRESETS = pathlib.Path(__file__).parents[1] / "configs"
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
    if dataset.is_implicit or config.split == "leave_one_out":
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
    run: Run,
    config: TrainConfig,
    data_dir: pathlib.Path,
    minutes: float,
    most_trials: int,
    cluster: Cluster | None = None,
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
        cluster: where trials run beside each other. What they come to depends on which ended
            first, so a search is not the same twice.

    Raises:
        InputError: Optuna is not there, the data do not fit the settings, or the search was begun
            with other settings or ratings.
        KeyboardInterrupt: it was stopped.
    """
    optuna_module()  # said before anything is done
    judged = dataclasses.replace(config, judge="validation", also="")
    task = _task(judged, data_dir)
    judged = dataclasses.replace(judged, min_items=_min_items(judged, task))
    content = content_of(judged, judged.content, task, data_dir)
    begin_or_go_on(run, dataclasses.asdict(judged))
    agree_on_split(run, task)
    name = _protocol(judged, task)
    primary = protocol_of(name).primary
    is_more = protocol_of(name).higher_is_better(primary)
    search = Search(run.folder, judged.seed, minutes, is_more, cluster)
    bench = Bench(search, judged, task, content, name)
    objective = functools.partial(_objective, bench)
    study = search(config.algorithm, [_defaults(judged, task)], objective, most_trials)
    if not found_any(study):
        raise InputError(
            f"Expected a trial that ends with a finite {primary} for {config.dataset}. Received: "
            "none. Train with the defaults to see why."
        )
    chosen = _with(config, study.best_params, task)
    tuned = tuned_baselines(bench, most_trials)
    agent, best = chosen.agent, study.best_value
    if not agent.blend:
        blend = best_blend(bench, tuned, best, functools.partial(_best_agent, bench, study))
        if blend and blend.weight and (blend.value > best) == is_more:
            agent = dataclasses.replace(agent, blend=blend.name, blend_weight=blend.weight)
            best = blend.value
    settings = {
        each.name: each.settings
        for each in tuned
        if each.settings and (each.is_asked or each.name in agent.blended)
    }
    chosen = dataclasses.replace(
        chosen, min_items=judged.min_items, tuned=config.tuned | settings, agent=agent
    )
    write_yaml(run.folder / CHOSEN, dataclasses.asdict(chosen))
    default = study.trials[0].value
    first = math.nan if default is None else default
    return Found(chosen, primary, best, first, len(ended(study)))


def _objective(bench: Bench, trial: optuna.Trial) -> float:
    import optuna

    tried = _with(bench.config, _suggested(trial, bench.config, bench.task), bench.task)
    agent, pretrained = _untrained(bench, tried)
    early = bench.value(agent)
    trial.report(early, 0)
    if trial.should_prune():
        logger.info("trial %d: %.4f before training, given up", trial.number, early)
        raise optuna.TrialPruned
    _train(bench, tried, agent, pretrained, f"trial {trial.number}")
    value = bench.value(agent)
    logger.info("trial %d: %.4f, %.4f before training", trial.number, value, early)
    if not found_any(trial.study) or (value > trial.study.best_value) == bench.search.is_more:
        write_model(bench.search.folder / BEST, agent, {"params": trial.params})
    del agent
    gc.collect()  # an agent and what it compiled hold each other
    return value


def _untrained(bench: Bench, config: TrainConfig) -> tuple[Agent, Pretrained]:
    task, content = bench.task, bench.content
    pretrained: Pretrained = pretrain(task.train, config.vectors, config.seed, content)
    agent = build_agent(config, task, pretrained.prefix, content)
    agent.finish(task.train_data, pretrained.final)
    return agent, pretrained


def _train(
    bench: Bench, config: TrainConfig, agent: Agent, pretrained: Pretrained, label: str
) -> None:
    if not learn(agent, config.steps, (), label):
        raise KeyboardInterrupt
    agent.finish(bench.task.train_data, pretrained.final)


def _best_agent(bench: Bench, study: optuna.Study) -> Recommender:
    """The agent of the best trial, as it was kept, or trained again."""
    path = bench.search.folder / BEST
    if path.exists() and notes_in(path)["params"] == study.best_params:
        return load(path)
    config = _with(bench.config, study.best_params, bench.task)
    agent, pretrained = _untrained(bench, config)
    _train(bench, config, agent, pretrained, "the best trial again")
    return agent


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
    changes = rounded(values)
    weight = unobserved_weight_of(task.train, None)
    if math.isclose(changes.get("unobserved_weight", 0.0), weight, rel_tol=1e-3):
        changes["unobserved_weight"] = None  # the default, which goes with the log
    parts: dict[str, Any] = {}
    for part in ("vectors", "content", "agent"):
        before = getattr(config, part)
        own = {field.name for field in dataclasses.fields(before)}
        changed = {name: value for name, value in changes.items() if name in own}
        parts[part] = dataclasses.replace(before, **changed)
    return dataclasses.replace(config, **parts)


def _task(config: TrainConfig, data_dir: pathlib.Path) -> Task:
    """The task, with as small a `min_items` as its check needs."""
    return Task.load(dataclasses.replace(config, min_items=1), data_dir)


def _min_items(config: TrainConfig, task: Task) -> int:
    """The least test items of a user, lowered until enough users are judged."""
    if config.split == "leave_one_out" or task.dataset.is_implicit:
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
