"""What each modality and each fusion is worth: the same agent trained on a grid of them."""

from __future__ import annotations

import dataclasses
import gc
import logging
from typing import TYPE_CHECKING, Any

from drrec.errors import InputError
from drrec.evaluation.gains import gains
from drrec.evaluation.summary import summarised
from drrec.experiment.evaluating import baselines, results_of, trained
from drrec.experiment.runs import agree_on_split, train_seed, without_content
from drrec.experiment.vectors import content_of
from drrec.files import read_json, write_json
from drrec.models.config import ContentConfig
from drrec.runs import Run

if TYPE_CHECKING:
    import pathlib

    from drrec.config import CompareConfig, TrainConfig
    from drrec.evaluation.summary import Results
    from drrec.experiment.judged import Judged
    from drrec.models.pretrain import Content
    from drrec.types import Recommender

logger = logging.getLogger(__name__)

IDS = "ids"
"""The variant that knows items by id alone, and that the others are compared with."""

_SETTINGS = "compare.json"


def compare(
    run: Run, config: CompareConfig, judged: Judged, data_dir: pathlib.Path
) -> dict[str, Any] | None:
    """Train each variant with each seed, and judge all on the same candidates.

    Variants that are trained to the end already are not trained again, so that an interrupted
    comparison goes on where it stopped.

    Returns:
        The content of `metrics.json`, with `content_added`; None if it was interrupted.

    Raises:
        InputError: it was begun with other settings or ratings, its name is taken, or features
            are missing or bad; nothing is written then.
    """
    _check_config(run, config)
    # All features first, so that what is missing is said before hours of training.
    contents = {
        name: content_of(config, chosen, judged, data_dir)
        for name, chosen in {IDS: ContentConfig(), **config.grid.variants()}.items()
    }
    run.folder.mkdir(parents=True, exist_ok=True)
    write_json(run.folder / _SETTINGS, dataclasses.asdict(config))
    agree_on_split(run, judged)
    widest = max((c for c in contents.values() if c), key=lambda content: len(content.features))
    results: list[Results] = []
    fitted: dict[str, Recommender] = {}
    for seed in range(config.seed, config.seed + config.seeds):
        methods = baselines(judged, widest, seed, fitted)
        for name, content in contents.items():
            chosen = content.config if content else ContentConfig(identity=config.grid.identity)
            single = config.with_content(chosen, seed)
            single = single if content else without_content(single)
            part = Run(run.root, f"{run.name}/{_folder(name)}/seed-{seed}")
            is_trained = _train(part, single, judged, content)
            gc.collect()  # an agent and what it compiled hold each other, some 200 MB
            if not is_trained:
                return None
            methods[name] = trained(part, single)
        results.append(results_of(methods, single, judged))
    metrics = summarised(results, agents=list(contents))
    metrics["content_added"] = gains(results, [name for name in contents if name != IDS], IDS)
    metrics["encoders"] = widest.encoders
    return metrics


def _train(run: Run, config: TrainConfig, judged: Judged, content: Content | None) -> bool:
    if (run.folder / "export.npz").exists():
        logger.info("%s: trained already", run.name)
        return True
    run.folder.mkdir(parents=True, exist_ok=True)
    run.write_config(config)
    agree_on_split(run, judged)
    return train_seed(run, config, judged, content)


def _check_config(run: Run, config: CompareConfig) -> None:
    """See that the settings are those that the comparison was begun with, or that it is new."""
    path = run.folder / _SETTINGS
    if not path.exists():
        run.check_is_new()
    elif read_json(path) != dataclasses.asdict(config):
        raise InputError(
            f"Expected the settings that comparison {run.name} was begun with, as in {path}. "
            "Received: others. Give the same flags to go on with it, or choose another --name."
        )


def _folder(variant: str) -> str:
    return variant.replace(" ", "-").replace("+", "-")
