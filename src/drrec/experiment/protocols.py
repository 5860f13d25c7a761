"""Every protocol that a run's settings call for, and what lies behind its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drrec.data.interactions import Interactions
from drrec.evaluation.calibration import rating_errors
from drrec.evaluation.lists import genre_vectors
from drrec.evaluation.offpolicy import indicative
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.protocols.session import bounds
from drrec.evaluation.results import Background, Results
from drrec.experiment.ceilings import ceilings
from drrec.experiment.config import ALSO
from drrec.experiment.task import is_implicit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drrec.experiment.config import RunConfig
    from drrec.experiment.task import Task
    from drrec.types import Scorer


def measure(
    methods: Mapping[str, Scorer], config: RunConfig, judged: Task, *, is_first: bool = True
) -> Results:
    """What each method reaches under every protocol that the settings call for.

    Off-policy estimates, which take long, are made for the first of several seeds only.
    """
    name = f"{config.split}, validation" if config.judge == "validation" else config.split
    protocols, chance = {}, {}
    trials = _trials(config, judged)
    for protocol, (test, options) in trials.items():
        protocols[protocol] = {
            method: protocol_of(protocol).run(
                recommender,
                judged.train,
                test,
                state_size=config.environment.state_size,
                seed=config.seed,
                **options,
            )
            for method, recommender in methods.items()
        }
        if level := protocol_of(protocol).chance:
            chance[protocol] = level(judged.train, test, **options)
    if judged.truth is not None:
        protocols["session"] |= bounds(judged.truth, judged.best)
    indications = {}
    if is_first and "offpolicy" in config.asked_also:
        indications = {
            method: indicative(
                recommender,
                judged.train,
                judged.test,
                state_size=config.environment.state_size,
                seed=config.seed,
            )
            for method, recommender in methods.items()
        }
    return Results(
        judged.dataset.name,
        name,
        config.seed,
        protocols,
        chance=chance,
        ceilings=ceilings(methods, judged, protocols),
        indications=indications,
        background=_background(methods, trials, config, judged),
    )


def _trials(config: RunConfig, judged: Task) -> dict[str, tuple[Any, dict[str, Any]]]:
    """By protocol: what it judges by, and its own options."""
    least = {"min_items": config.min_items}
    trials: dict[str, tuple[Any, dict[str, Any]]] = {}
    also = config.asked_also
    # Where things come again, what is asked for may be among what was seen, and alone there.
    seen = {"mask_seen": False} if judged.train.has_repeats else {}
    if config.split == "leave_one_out":
        trials["full"] = judged.test, seen
        trials |= {name: (judged.test, {}) for name in ("unmasked", "sampled") if name in also}
    elif is_implicit(judged.dataset):
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
            inputs = protocol_of(name).inputs
            trials[name] = inputs(judged.test_data) if inputs else (judged.test, {})
    return trials


def _background(
    methods: Mapping[str, Scorer],
    trials: Mapping[str, tuple[Any, dict[str, Any]]],
    config: RunConfig,
    judged: Task,
) -> Background:
    tests = {name: test for name, (test, _) in trials.items() if isinstance(test, Interactions)}
    errors = {}
    if any(protocol_of(name).predicts_ratings for name in trials):
        for name, method in methods.items():
            size = config.environment.state_size
            found = rating_errors(method, judged.train, judged.test, state_size=size)
            if found is not None:
                errors[name] = found
    return Background(judged.train, tests, genre_vectors(judged.dataset.genres), errors)
