"""Language models from the log to the report, beside baselines on the same candidates."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.embeddings.config import listed
from drrec.evaluation.evaluate import evaluated
from drrec.evaluation.markdown import grid, short
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.protocols.sampled import drawn
from drrec.evaluation.report import report_text, write_report
from drrec.evaluation.result import joined
from drrec.experiment.baselines import Fitted, baselines
from drrec.experiment.language_config import NAMED
from drrec.files import made_folder, write_text, write_yaml
from drrec.llm.apart import LOG
from drrec.llm.samples import TrainingLog
from drrec.llm.wall import Requests, write_requests
from drrec.registry import LANGUAGE_MODELS

if TYPE_CHECKING:
    import pathlib

    from drrec.evaluation.protocols.sampled import Draws
    from drrec.evaluation.result import Evaluation
    from drrec.experiment.language_config import LanguageConfig
    from drrec.experiment.run import Run
    from drrec.experiment.task import Task
    from drrec.llm.config import TrainingConfig

logger = logging.getLogger(__name__)

NEGATIVES = {"sampled_9": 9, "sampled": 99}
"""Negatives of each protocol that language models are judged by."""

CONFIG = "llm.yaml"
"""The settings of a run of language models."""

_PLACES = "sampled_9"


def prepare(folder: pathlib.Path, config: LanguageConfig, task: Task) -> None:
    """Write the training log that stages learn from into the folder of a run."""
    made_folder(folder)
    TrainingLog.of(task.train, _titles(task)).save(folder / LOG)
    write_yaml(folder / CONFIG, _plain(config))


def ask(path: pathlib.Path, config: LanguageConfig, task: Task, protocol: str) -> Draws:
    """Write requests for the candidates of a protocol, as it draws them."""
    seed, length = config.training.seed, config.training.model.history
    draws = drawn(task.train, task.test, seed=seed, num_negatives=NEGATIVES[protocol])
    history = task.train.histories(length)[draws.users]
    requests = Requests(task.train.fingerprint, history, draws.items, _titles(task))
    write_requests(path, requests)
    return draws


def train_and_report(run: Run, config: LanguageConfig, task: Task) -> dict[str, Any]:
    """Train what `config.rows` names and judge it beside baselines: `metrics.json`, `report.md`.

    Stages that are done are not done again.

    Raises:
        InputError: a model cannot be had or does not fit, or a stage was made with other settings.
    """
    from drrec.experiment.evaluating import reported  # here: it loads TensorFlow

    fitted: dict[str, Fitted] = {}
    parts = []
    for seed in range(config.training.seed, config.training.seed + config.seeds):
        own = config.with_seed(seed)
        folder = run.folder if config.seeds == 1 else run.folder / f"seed-{seed}"
        prepare(folder, own, task)
        methods = baselines(task, None, own.run, fitted, run.weights / "baselines")
        methods |= _language_models(folder, own, task)
        parts.append(_measured(methods, own, task))
    found = joined(parts)
    names = _named(config)
    tested = NAMED["grpo"] if NAMED["grpo"] in names else names[-1]
    summary = reported(run, _plain(config), found, agents=[tested])
    summary["positions"] = positions(found, task)
    write_report(run.folder, summary)
    write_text(run.folder / "report.md", text_of(summary))
    return summary


def text_of(summary: dict[str, Any]) -> str:
    """The report, and how often the right item is first by the place it stands at."""
    places = summary["positions"]
    width = len(next(iter(places.values())))
    rows = [["method", *(str(place + 1) for place in range(width))]]
    rows += [[name, *map(short, values)] for name, values in places.items()]
    parts = [
        report_text(summary).rstrip("\n"),
        f"## HR@1 by the right item's place among the candidates, `{_PLACES}`",
        "\n".join(grid(rows)),
    ]
    return "\n\n".join(parts) + "\n"


def positions(found: Evaluation, task: Task) -> dict[str, list[float]]:
    """HR@1 of `sampled_9` by the place of the hidden item among its candidates, for each method."""
    draws = {
        seed: drawn(task.train, task.test, seed=seed, num_negatives=NEGATIVES[_PLACES])
        for seed in found.seeds
    }
    values = found.values
    own = values[(values["protocol"] == _PLACES) & (values["metric"] == "hr@1")]
    raw = task.train.users.raw
    place = {
        (seed, raw[user]): at
        for seed, each in draws.items()
        for user, at in zip(each.users.tolist(), each.place.tolist(), strict=True)
    }
    own = own.assign(place=[place[pair] for pair in zip(own["seed"], own["user"], strict=True)])
    means = own.groupby(["method", "place"], sort=False)["value"].mean().unstack("place")
    means = means.reindex(columns=range(NEGATIVES[_PLACES] + 1))
    return {str(name): row.tolist() for name, row in means.iterrows()}


def _language_models(folder: pathlib.Path, config: LanguageConfig, task: Task) -> dict[str, Fitted]:
    from drrec.evaluation.cost import Watch

    made = {}
    for name in _named(config):
        model = LANGUAGE_MODELS[name](
            seed=config.training.seed,
            folder=str(folder / "long" if name == "llm_sft_long" else folder),
            **_settings(config.training),
        )
        logger.info("training %s", name)
        with Watch() as watch:
            model.fit(task.train_data)
        made[name] = Fitted(model, watch.cost)
    return made


def model_after(folder: pathlib.Path, config: LanguageConfig, task: Task, stage: str) -> Any:
    """The recommender after a stage, trained in the folder of a run if it is not done."""
    prepare(folder, config, task)
    settings = _settings(config.training)
    model = LANGUAGE_MODELS[NAMED[stage]](seed=config.training.seed, folder=str(folder), **settings)
    return model.fit(task.train_data)


def _measured(methods: dict[str, Fitted], config: LanguageConfig, task: Task) -> Evaluation:
    models = {name: each.model for name, each in methods.items()}
    seed = config.training.seed
    trials = {
        name: protocol_of(name).asked(task.test_data)
        for name, number in NEGATIVES.items()
        # In a small catalogue nobody may have 99 items left to draw from.
        if number == NEGATIVES[_PLACES]
        or len(drawn(task.train, task.test, seed=seed, num_negatives=number).users)
    }
    return dataclasses.replace(
        evaluated(models, trials, task.train, seed=seed),
        dataset=task.dataset.name,
        split="leave_one_out" + (", validation" if config.judge == "validation" else ""),
        fits={(name, seed): each.cost for name, each in methods.items()},
    )


def _named(config: LanguageConfig) -> list[str]:
    return [NAMED[row] for row in listed("rows", config.rows, tuple(NAMED))]


def _settings(training: TrainingConfig) -> dict[str, Any]:
    """Settings of a recommender."""
    parts = (training.model, training.sft, training.grpo)
    return {"held_out": training.held_out} | {
        key: value for part in parts for key, value in dataclasses.asdict(part).items()
    }


def _titles(task: Task) -> np.ndarray:
    return np.array([str(title) for title in task.dataset.titles], object)


def _plain(config: LanguageConfig) -> dict[str, Any]:
    return dataclasses.asdict(config)
