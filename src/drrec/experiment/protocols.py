"""Every protocol that a run's settings call for, and what lies behind its numbers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from drrec.data.interactions import Interactions
from drrec.evaluation.calibration import rating_errors
from drrec.evaluation.evaluate import evaluated
from drrec.evaluation.lists import genre_vectors
from drrec.evaluation.offpolicy import indicative
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.result import Background
from drrec.experiment.ceilings import ceilings
from drrec.experiment.config import ALSO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drrec.evaluation.calibration import Errors
    from drrec.evaluation.result import Evaluation
    from drrec.experiment.baselines import Fitted
    from drrec.experiment.config import RunConfig
    from drrec.experiment.task import Task
    from drrec.types import Scorer


def measure(
    methods: Mapping[str, Fitted], config: RunConfig, judged: Task, *, is_first: bool = True
) -> Evaluation:
    """What each method reaches under every protocol that the settings call for, with one seed.

    Off-policy estimates, which take long, are made for the first of several seeds only.
    """
    models = {name: each.model for name, each in methods.items()}
    trials = trials_of(config, judged)
    size, seed = config.environment.state_size, config.seed
    indications = {}
    if is_first and "offpolicy" in config.asked_also:
        indications = {
            name: indicative(model, judged.train, judged.test, state_size=size, seed=seed)
            for name, model in models.items()
        }
    tests = {name: test for name, (test, _) in trials.items() if isinstance(test, Interactions)}
    return dataclasses.replace(
        evaluated(models, trials, judged.train, seed=seed, state_size=size),
        dataset=judged.dataset.name,
        split=f"{config.split}, validation" if config.judge == "validation" else config.split,
        background=Background(judged.train, tests, genre_vectors(judged.dataset.genres)),
        indications=indications,
        ceilings=ceilings(models, judged, trials, seed),
        errors=_errors(models, trials, config, judged),
        fits={(name, seed): each.cost for name, each in methods.items()},
    )


def trials_of(config: RunConfig, judged: Task) -> dict[str, tuple[Any, dict[str, Any]]]:
    """By protocol: what it judges by, and its own options."""
    least = {"min_items": config.min_items}
    trials: dict[str, tuple[Any, dict[str, Any]]] = {}
    also = config.asked_also
    # Where things come again, what is asked for may be among what was seen, and alone there.
    seen = {"mask_seen": False} if judged.train.has_repeats else {}
    if config.split == "leave_one_out":
        trials["full"] = judged.test, seen
        one_hidden = ("unmasked", "sampled", "sampled_9")
        trials |= {name: (judged.test, {}) for name in one_hidden if name in also}
    elif judged.dataset.is_implicit:
        trials["ranked"] = judged.test, seen
    else:
        trials["rated"] = judged.test, least
    if config.cold_items:
        trials["cold_items"] = judged.cold.cold_items, {"candidates": judged.cold.candidates}
    if config.cold_users and "rated" in trials:
        trials["cold_users"] = judged.cold.cold_users, least
    if judged.truth is not None:
        trials["session"] = judged.truth, {"best": judged.best}
    if "simulator" in also:
        trials["simulator"] = judged.judges, {}
    for name in also:
        if name not in ALSO:
            trials[name] = protocol_of(name).asked(judged.test_data)
    return trials


def _errors(
    models: Mapping[str, Scorer], trials: Mapping[str, Any], config: RunConfig, judged: Task
) -> dict[tuple[str, int], Errors]:
    if not any(protocol_of(name).predicts_ratings for name in trials):
        return {}
    size = config.environment.state_size
    return {
        (name, config.seed): found
        for name, model in models.items()
        if (found := rating_errors(model, judged.train, judged.test, state_size=size))
    }
