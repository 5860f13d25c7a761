"""Judges the trained seeds of a run and all baselines, and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drrec.agents.runlog import columns
from drrec.errors import InputError
from drrec.evaluation.gains import gains
from drrec.evaluation.report import report_text, write_report
from drrec.evaluation.summary import summarised
from drrec.experiment.baselines import baselines
from drrec.experiment.protocols import measure
from drrec.experiment.run import MODEL
from drrec.experiment.train import agree_on_split, control, control_name, has_control
from drrec.saving import load

if TYPE_CHECKING:
    from typing import Any

    from drrec.base import Recommender
    from drrec.embeddings.pretrain import Content
    from drrec.evaluation.results import Results
    from drrec.experiment.config import TrainConfig
    from drrec.experiment.run import Run
    from drrec.experiment.task import Task
    from drrec.types import Scorer


def evaluate_run(
    run: Run, config: TrainConfig, judged: Task, content: Content | None = None
) -> dict[str, Any]:
    """Judge the trained seeds and all baselines on the same candidates: `metrics.json`.

    Raises:
        InputError: the run was trained on other ratings, or is not trained to the end.
    """
    agree_on_split(run, judged)
    fitted: dict[str, Scorer] = {}  # what no seed changes is fitted once
    agent, by_ids = config.algorithm, control_name(config)
    results: list[Results] = []
    for seed_run, seed_config in run.seeds(config):
        methods = baselines(judged, content, seed_config, fitted)
        methods[agent] = trained(seed_run)
        if has_control(config):
            methods[by_ids] = trained(control(seed_run, seed_config)[0])
        results.append(measure(methods, seed_config, judged, is_first=not results))
    summary = summarised(results, agents=[agent, by_ids])
    if has_control(config):
        summary["content_added"] = gains(results, [agent], by_ids)
    if content:
        summary["encoders"] = content.encoders
    return summary


def trained(run: Run) -> Recommender:
    """What a run has learned.

    Raises:
        InputError: it is not trained to the end.
    """
    path = run.folder / MODEL
    if not path.exists():
        raise InputError(
            f"Expected a trained run with {path}. Received: none. Finish its training first: "
            f"python train.py --resume {run.name}."
        )
    return load(path)


def report_run(run: Run, config: TrainConfig, content: dict[str, Any]) -> str:
    """Write `metrics.json`, `report.md` and the figures; returns the report."""
    first = run.seeds(config)[0][0]
    write_report(run.folder, content, columns(first.folder / "training.csv"))
    return report_text(content)
