"""Judges the trained seeds of a run and all baselines, and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drrec.agents.runlog import columns
from drrec.evaluation.gains import gains
from drrec.evaluation.report import report_text, write_report
from drrec.evaluation.summary import summarised
from drrec.experiment.baselines import baselines
from drrec.experiment.proposing import final_proposer
from drrec.experiment.protocols import measure
from drrec.experiment.train import agree_on_split, control, control_name, has_control
from drrec.serving.export import Export
from drrec.serving.recommend import restored_policy
from drrec.serving.reranked import Reranked

if TYPE_CHECKING:
    from typing import Any

    from drrec.embeddings.pretrain import Content
    from drrec.evaluation.results import Results
    from drrec.experiment.config import TrainConfig
    from drrec.experiment.run import Run
    from drrec.experiment.task import Task
    from drrec.types import Recommender


def evaluate_run(
    run: Run, config: TrainConfig, judged: Task, content: Content | None = None
) -> dict[str, Any]:
    """Judge the trained seeds and all baselines on the same candidates: `metrics.json`.

    Raises:
        InputError: the run was trained on other ratings, or is not trained to the end.
    """
    agree_on_split(run, judged)
    fitted: dict[str, Recommender] = {}  # what no seed changes is fitted once
    agent, by_ids = config.agent.algorithm, control_name(config)
    results: list[Results] = []
    for seed_run, seed_config in run.seeds(config):
        methods = baselines(judged, content, seed_config, fitted)
        methods[agent] = trained(seed_run, seed_config, judged)
        if has_control(config):
            methods[by_ids] = trained(*control(seed_run, seed_config), judged)
        results.append(measure(methods, seed_config, judged, is_first=not results))
    summary = summarised(results, agents=[agent, by_ids])
    if has_control(config):
        summary["content_added"] = gains(results, [agent], by_ids)
    if content:
        summary["encoders"] = content.encoders
    return summary


def trained(run: Run, config: TrainConfig, judged: Task) -> Recommender:
    """The policy that a run has exported; with its proposer, if it re-ranks."""
    export = Export.load(run.folder / "export.npz")
    policy = restored_policy(export, config.agent)
    if not export.reranks:
        return policy
    name = config.environment.proposals.propose
    return Reranked(policy, final_proposer(config, judged), export.proposals, name)


def report_run(run: Run, config: TrainConfig, content: dict[str, Any]) -> str:
    """Write `metrics.json`, `report.md` and the figures; returns the report."""
    first = run.seeds(config)[0][0]
    write_report(run.folder, content, columns(first.folder / "training.csv"))
    return report_text(content)
