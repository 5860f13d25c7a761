"""What each modality and each fusion is worth: the same agent trained on a grid of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from drrec.embeddings.config import ContentConfig
from drrec.evaluation.gains import gains
from drrec.experiment.evaluating import reported
from drrec.experiment.grid import begin_or_go_on, judged_grid
from drrec.experiment.train import without_content
from drrec.experiment.vectors import content_of

if TYPE_CHECKING:
    import pathlib

    from drrec.cluster.tasks import Cluster
    from drrec.experiment.config import CompareConfig
    from drrec.experiment.run import Run
    from drrec.experiment.task import Task

IDS = "ids"
"""The variant that knows items by id alone, and that the others are compared with."""


def compare(
    run: Run,
    config: CompareConfig,
    judged: Task,
    data_dir: pathlib.Path,
    cluster: Cluster | None = None,
) -> dict[str, Any] | None:
    """Train each variant with each seed, and judge all on the same candidates.

    Variants and seeds are trained beside each other where there is a cluster.

    Returns:
        The content of `metrics.json`, with `content_added`; None if it was interrupted.

    Raises:
        InputError: it was begun with other settings or ratings, its name is taken, or features
            are missing or bad; nothing is written then.
    """
    chosen = config.grid.variants()
    by_id = config.with_content(ContentConfig(identity=config.grid.identity))
    variants = {IDS: without_content(by_id)}
    variants |= {name: config.with_content(content) for name, content in chosen.items()}
    # All features first, so that what is missing is said before hours of training.
    contents = {
        name: content_of(config, variant.content, judged, data_dir)
        for name, variant in variants.items()
    }
    begin_or_go_on(run, dataclasses.asdict(config))
    found = judged_grid(run, variants, contents, judged, cluster)
    if found is None:
        return None
    metrics = reported(run, config, found, agents=list(variants))
    metrics["content_added"] = gains(found, list(chosen), IDS)
    widest = max((c for c in contents.values() if c), key=lambda content: len(content.features))
    metrics["encoders"] = widest.encoders
    return metrics
