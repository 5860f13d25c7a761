"""Judges the trained seeds of a run and all baselines, and reports."""

from __future__ import annotations

import functools
import inspect
import logging
from typing import TYPE_CHECKING

from drrec.baselines import BASELINES, CONTENT_BASELINES
from drrec.evaluation.gains import gains
from drrec.evaluation.protocol import PROTOCOLS
from drrec.evaluation.ranked import chance_level
from drrec.evaluation.report import report_text, write_report
from drrec.evaluation.session import bounds
from drrec.evaluation.summary import Results, summarised
from drrec.experiment.judged import is_implicit
from drrec.experiment.runs import agree_on_split, has_twin, twin, twin_name
from drrec.runlog import columns
from drrec.serving.export import Export
from drrec.serving.recommend import restored_policy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from drrec.config import RunConfig, TrainConfig
    from drrec.experiment.judged import Judged
    from drrec.models.pretrain import Content
    from drrec.runs import Run
    from drrec.types import Recommender

logger = logging.getLogger(__name__)


def evaluate_run(
    run: Run, config: TrainConfig, judged: Judged, content: Content | None = None
) -> dict[str, Any]:
    """Judge the trained seeds and all baselines on the same candidates: `metrics.json`.

    Raises:
        InputError: the run was trained on other ratings, or is not trained to the end.
    """
    agree_on_split(run, judged)
    fitted: dict[str, Recommender] = {}  # what no seed changes is fitted once
    agent, by_ids = config.agent.algorithm, twin_name(config)
    results = []
    for seed_run, seed_config in run.seeds(config):
        methods = baselines(judged, content, seed_config.seed, fitted)
        methods[agent] = trained(seed_run, seed_config)
        if has_twin(config):
            methods[by_ids] = trained(*twin(seed_run, seed_config))
        results.append(results_of(methods, seed_config, judged))
    summary = summarised(results, agents=[agent, by_ids])
    if has_twin(config):
        summary["content_added"] = gains(results, [agent], by_ids)
    if content:
        summary["encoders"] = content.encoders
    return summary


def trained(run: Run, config: TrainConfig) -> Recommender:
    """The policy that a run has exported."""
    return restored_policy(Export.load(run.folder / "export.npz"), config.agent)


def results_of(methods: Mapping[str, Recommender], config: RunConfig, judged: Judged) -> Results:
    """What each method reaches under every protocol that the settings call for."""
    name = f"{config.split}, validation" if config.judge == "validation" else config.split
    protocols, chance = {}, {}
    for protocol, (test, options) in _trials(config, judged).items():
        protocols[protocol] = {
            method: PROTOCOLS[protocol](
                recommender,
                judged.train,
                test,
                state_size=config.environment.state_size,
                seed=config.seed,
                **options,
            )
            for method, recommender in methods.items()
        }
        if protocol in ("ranked", "cold_items"):
            chance[protocol] = chance_level(judged.train, test, **options)
    if judged.truth is not None:
        protocols["session"] |= bounds(judged.truth, judged.best)
    return Results(judged.dataset.name, name, config.seed, protocols, chance=chance)


def _trials(config: RunConfig, judged: Judged) -> dict[str, tuple[Any, dict[str, Any]]]:
    """By protocol: what it judges by, and its own options."""
    least = {"min_items": config.min_items}
    trials: dict[str, tuple[Any, dict[str, Any]]] = {}
    if config.split == "leave_one_out":
        trials["full"] = judged.test, {}
    elif is_implicit(judged.dataset):
        trials["ranked"] = judged.test, {}
    else:
        trials["rated"] = judged.test, least
    if config.cold_items:
        trials["cold_items"] = judged.cold.cold_items, {"candidates": judged.cold.candidates}
    if config.cold_users and "rated" in trials:
        trials["cold_users"] = judged.cold.cold_users, least
    if judged.truth is not None:
        trials["session"] = judged.truth, {"best": judged.best}
    return trials


def baselines(
    judged: Judged, content: Content | None, seed: int, fitted: dict[str, Recommender]
) -> dict[str, Recommender]:
    """All baselines, fitted; those that no seed changes are kept in `fitted`."""
    made: dict[str, Any] = dict(BASELINES)
    if content:
        for name, baseline in CONTENT_BASELINES.items():
            made[name] = functools.partial(baseline, content.features)
    methods = {}
    for name, baseline in made.items():
        takes_seed = "seed" in inspect.signature(baseline).parameters
        if name not in fitted or takes_seed:
            logger.info("fitting %s%s", name, f", seed {seed}" if takes_seed else "")
            fitted[name] = (baseline(seed=seed) if takes_seed else baseline()).fit(judged.train)
        methods[name] = fitted[name]
    return methods


def report_run(run: Run, config: TrainConfig, content: dict[str, Any]) -> str:
    """Write `metrics.json`, `report.md` and the figures; returns the report."""
    first = run.seeds(config)[0][0]
    write_report(run.folder, content, columns(first.folder / "training.csv"))
    return report_text(content)
