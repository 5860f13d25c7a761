"""Runs that a cluster trains beside each other, each as one process would."""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING, NamedTuple

from tqdm import tqdm

from drrec.cluster.tasks import Interrupted
from drrec.experiment.train import agree_on_split, cells_of, is_trained, train_cell
from drrec.locks import held

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drrec.cluster.tasks import Cluster
    from drrec.embeddings.pretrain import Content
    from drrec.experiment.config import TrainConfig
    from drrec.experiment.run import Run
    from drrec.experiment.task import Task
    from drrec.experiment.train import Cell

logger = logging.getLogger(__name__)


class Work(NamedTuple):
    """A cell, and what is known of items in it beside their ids."""

    cell: Cell
    content: Content | None


def train_run_apart(
    cluster: Cluster, run: Run, config: TrainConfig, judged: Task, content: Content | None
) -> None:
    """Train the seeds of a run, and its controls, beside each other.

    Raises:
        InputError: as `train_apart`, or the run was begun with other ratings.
    """
    agree_on_split(run, judged)
    train_apart(cluster, [Work(cell, content) for cell in cells_of(run, config)], judged)


def train_apart(cluster: Cluster, works: Sequence[Work], judged: Task) -> None:
    """Train cells in workers of a cluster, which write into the folder of runs.

    Each goes on from its last checkpoint, also where its worker was killed; so the folder has to be
    the same for all machines.

    Raises:
        InputError: a cell refuses to be trained, or its worker was killed again and again.
    """
    left = [
        work
        for work in works
        if not is_trained(work.cell.run, work.cell.config, final_fit=work.cell.final_fit)
    ]
    if not left:
        return
    task = cluster.shared(judged)
    contents = {id(work.content): cluster.shared(work.content) for work in left}
    calls = [(work.cell, task, contents[id(work.content)]) for work in left]
    logger.info("%d runs to train, %d at a time", len(calls), min(cluster.workers, len(calls)))
    with tqdm(total=len(calls), desc="training", unit="run", dynamic_ncols=True) as bar:
        for number, _ in cluster.results(_trained, calls, "a run"):
            logger.info("%s: trained", left[number].cell.run.name)
            bar.update()


def _trained(cell: Cell, judged: Task, content: Content | None) -> None:
    """In a worker: train a cell, once whoever was at it before is gone."""
    # A machine that is cut off may still be at work when its cells are begun elsewhere.
    with held(cell.run.weights / "training", f"run {cell.run.name}", wait=True):
        is_whole = train_cell(cell, judged, content)
    gc.collect()  # an agent and what it compiled hold each other, some 200 MB
    if not is_whole:
        raise Interrupted(cell.run.name)
