"""Several agents, each with several seeds, trained and judged on the same candidates."""

from __future__ import annotations

import dataclasses
import gc
import logging
from typing import TYPE_CHECKING, Any

from drrec.errors import InputError
from drrec.evaluation.result import joined
from drrec.experiment.apart import Work, train_apart
from drrec.experiment.baselines import baselines, kept_in
from drrec.experiment.evaluating import with_cost
from drrec.experiment.protocols import measure
from drrec.experiment.run import Run
from drrec.experiment.train import Cell, agree_on_split, is_trained, train_cell
from drrec.files import write_json
from drrec.reading import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drrec.cluster.tasks import Cluster
    from drrec.embeddings.pretrain import Content
    from drrec.evaluation.result import Evaluation
    from drrec.experiment.baselines import Fitted
    from drrec.experiment.config import TrainConfig
    from drrec.experiment.task import Task

logger = logging.getLogger(__name__)

_SETTINGS = "settings.json"


def begin_or_go_on(run: Run, settings: Any) -> None:
    """Write down a grid's settings; whoever goes on with it must have the same.

    Raises:
        InputError: it was begun with others, or its name is taken.
    """
    path = run.folder / _SETTINGS
    if not path.exists():
        run.claim(lambda side: write_json(side / _SETTINGS, settings))
    elif read_json(path) != settings:
        raise InputError(
            f"Expected the settings that {run.name} was begun with, as in {path}. "
            "Received: others. Give the same flags to go on with it, or choose another --name."
        )
    run.sweep()


def judged_grid(
    run: Run,
    variants: Mapping[str, TrainConfig],
    contents: Mapping[str, Content | None],
    judged: Task,
    cluster: Cluster | None = None,
) -> Evaluation | None:
    """Train each variant with each seed, and judge all with the baselines.

    Variants that are trained to the end already are not trained again, so that an interrupted grid
    goes on where it stopped.

    Args:
        run: where the variants' runs go, each in a folder of its own.
        variants: by a name for tables; alike in seeds and in all that says how they are judged.
        contents: by the same names, what each knows items by beside ids.
        judged: what all learn from and are judged by.
        cluster: where variants are trained beside each other; None trains one after the other.

    Returns:
        What all seeds measured; None if training was interrupted.
    """
    agree_on_split(run, judged)
    first = next(iter(variants.values()))
    seeds = range(first.seed, first.seed + first.seeds)
    cells = {
        (seed, name): _cell(run, name, dataclasses.replace(config, seed=seed, seeds=1))
        for seed in seeds
        for name, config in variants.items()
    }
    if cluster is not None:
        works = [Work(cell, contents.get(name)) for (_, name), cell in cells.items()]
        train_apart(cluster, works, judged)
    widest = max(filter(None, contents.values()), key=lambda one: len(one.features), default=None)
    parts: list[Evaluation] = []
    fitted: dict[str, Fitted] = {}
    for seed in seeds:
        methods = baselines(
            judged, widest, dataclasses.replace(first, seed=seed), fitted, kept_in(run.weights)
        )
        for name in variants:
            cell = cells[seed, name]
            is_trained = _train(cell, judged, contents.get(name))
            gc.collect()  # an agent and what it compiled hold each other, some 200 MB
            if not is_trained:
                return None
            methods[name] = with_cost(cell.run, cell.config)
        parts.append(measure(methods, cell.config, judged, is_first=not parts))
    return joined(parts)


def _cell(run: Run, variant: str, config: TrainConfig) -> Cell:
    return Cell(Run(run.root, f"{run.name}/{_folder(variant)}/seed-{config.seed}"), config)


def _train(cell: Cell, judged: Task, content: Content | None) -> bool:
    if is_trained(cell.run, cell.config):
        logger.info("%s: trained already", cell.run.name)
        return True
    return train_cell(cell, judged, content)


def _folder(variant: str) -> str:
    return variant.replace(" ", "-").replace("+", "-")
