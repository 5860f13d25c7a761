"""Judges the trained seeds of a run and all baselines, and reports."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from drrec.agents.runlog import columns
from drrec.evaluation.cost import FIT, read_cost
from drrec.evaluation.gains import gains
from drrec.evaluation.report import report_text, write_report
from drrec.evaluation.result import VALUES, joined
from drrec.evaluation.summary import summarised
from drrec.experiment.advice import advice
from drrec.experiment.baselines import Fitted, baselines, forget, kept_in
from drrec.experiment.protocols import measure
from drrec.experiment.provenance import made_by
from drrec.experiment.run import UPDATE
from drrec.experiment.train import (
    agree_on_split,
    check_learned_by,
    control,
    control_name,
    has_control,
)
from drrec.reading import read_json
from drrec.saving import load, load_noted

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from drrec.base import Recommender
    from drrec.embeddings.pretrain import Content
    from drrec.evaluation.result import Evaluation
    from drrec.experiment.config import TrainConfig
    from drrec.experiment.run import Run
    from drrec.experiment.task import Task


logger = logging.getLogger(__name__)


def evaluate_run(
    run: Run, config: TrainConfig, judged: Task, content: Content | None = None
) -> dict[str, Any]:
    """Judge the trained seeds and all baselines on the same candidates: `metrics.json`.

    Raises:
        InputError: the run was trained on other ratings, or is not trained to the end.
    """
    agree_on_split(run, judged)
    fitted: dict[str, Fitted] = {}  # what no seed changes is fitted once
    agent, by_ids, alone = config.algorithm, control_name(config), f"{config.algorithm}_alone"
    parts: list[Evaluation] = []
    for seed_run, seed_config in run.seeds(config):
        methods = baselines(judged, content, seed_config, fitted, kept_in(run.weights))
        methods[agent] = fitted_agent = with_cost(seed_run, seed_config)
        if config.agent.blend:
            methods[alone] = fitted_agent._replace(model=fitted_agent.model.alone())
        if has_control(config):
            methods[by_ids] = with_cost(*control(seed_run, seed_config))
        parts.append(measure(methods, seed_config, judged, is_first=not parts))
    found = joined(parts)
    summary = reported(run, config, found, agents=[agent, by_ids, alone])
    if config.agent.blend:
        summary["blend"] = {"agent": agent, "weights": config.agent.blended}
    if has_control(config):
        summary["content_added"] = gains(found, [agent], by_ids)
    if content:
        summary["encoders"] = content.encoders
    if (run.folder / UPDATE).exists():
        summary["update"] = read_json(run.folder / UPDATE, {"learned_before": int})
    if warnings := [*advice(config, summary), *_learned_before(summary)]:
        summary["warnings"] = warnings
        for warning in warnings:
            logger.warning("%s", warning)
    return summary


def _learned_before(summary: dict[str, Any]) -> list[str]:
    """A sentence where a run goes on from one that was trained on what it is evaluated on."""
    count = summary.get("update", {}).get("learned_before", 0)
    if not count:
        return []
    return [
        f"The run that this one goes on from was trained on {count:,} of the ratings that it is "
        "evaluated on: its results may be too good."
    ]


def reported(
    run: Run, config: Any, found: Evaluation, *, agents: Collection[str]
) -> dict[str, Any]:
    """Write each user's values into the run's folder; returns the content of `metrics.json`."""
    found.save(run.folder / VALUES)
    return summarised(found, agents=agents) | {"made_by": made_by(config, found)}


def with_cost(run: Run, config: TrainConfig) -> Fitted:
    """What a run has learned, and what that took.

    Raises:
        InputError: it is not trained to the end, or was with other settings.
    """
    model, notes = load_noted(run.model_file())
    check_learned_by(run, config, notes)
    return Fitted(model, read_cost(run.folder / FIT))


def trained(run: Run) -> Recommender:
    """What a run has learned.

    Raises:
        InputError: it is not trained to the end.
    """
    return load(run.model_file())


def report_run(run: Run, config: TrainConfig, content: dict[str, Any]) -> str:
    """Write `metrics.json`, `report.md` and the figures; returns the report."""
    first = run.seeds(config)[0][0]
    write_report(run.folder, content, columns(first.folder / "training.csv"))
    forget(run.weights)
    return report_text(content)
