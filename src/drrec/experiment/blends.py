"""Baselines tuned beside an agent, and the one that its scores are best blended with."""

from __future__ import annotations

import functools
import logging
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from drrec.agents.blending import Blend
from drrec.experiment.baselines import asked_for, made_by
from drrec.experiment.search import Bench, found_any, rounded
from drrec.registry import BASELINES, CONTENT_BASELINES, LANGUAGE_MODELS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import optuna

    from drrec.base import Recommender

logger = logging.getLogger(__name__)

MOST_TRIALS = 30
"""Trials of a baseline that is asked for."""

_TRIALS_UNASKED = 8
_UNASKED = ("item_knn", "ease", "rules")
"""Tuned beside those that are asked for: quick to fit, and hard to beat on sparse logs."""

_SEARCHED = {
    "l2": 30.0,
    "num_neighbours": 10.0,
    "shrinkage": 30.0,
    "smoothing": 5.0,
    "bias_damping": 5.0,
    "dim": 4.0,
    "reach": 10.0,
    "num_last": 10.0,
    "learning_rate": 10.0,
}
"""Settings of baselines that are searched, and by what factor each way."""

_BLENDED = 2
"""Baselines that are tried in blends: the best ones."""

_WEIGHTS = (0.5, 1.0, 0.8, 0.2, 0.65, 0.35, 0.9, 0.1)
"""Weights of a baseline in a blend, in the order in which they are tried."""

_GRID = np.linspace(0, 1, 21)
_LEAST_VALUES = 5


class Tuned(NamedTuple):
    """A baseline with the settings that were found best, and its value on validation."""

    name: str
    settings: dict[str, Any]
    value: float
    is_asked: bool


class Blended(NamedTuple):
    """A baseline's weight in a blend with the agent, and the blend's value on validation."""

    name: str
    weight: float
    value: float


def tuned_baselines(bench: Bench, most_trials: int) -> list[Tuned]:
    """Search the settings of baselines, each with the agent's budget; the best come first.

    Those that are asked for, content baselines where there is content, and a few others.
    """
    asked = asked_for(bench.config.baselines)
    found = []
    for name in dict.fromkeys([*asked, *(CONTENT_BASELINES if bench.content else ()), *_UNASKED]):
        is_asked = name in asked or name in CONTENT_BASELINES
        if name == "random" or name in LANGUAGE_MODELS:  # a trial of those would take minutes
            continue
        default = _searched(_made(bench, name, {}))
        limit = min(most_trials, (MOST_TRIALS if is_asked else _TRIALS_UNASKED) if default else 1)
        objective = functools.partial(_objective, bench, name, default)
        study = bench.search(name, [default], objective, limit)
        if found_any(study):
            settings, best, first = rounded(study.best_params), study.best_value, study.trials[0]
            by_default = math.nan if first.value is None else first.value
            logger.info("%s: %.4f, by default %.4f", name, best, by_default)
            found.append(Tuned(name, settings, best, is_asked))
    return sorted(found, key=lambda each: each.value, reverse=bench.search.is_more)


def best_blend(
    bench: Bench, tuned: Sequence[Tuned], alone: float, agent: Callable[[], Recommender]
) -> Blended | None:
    """The best weight of one of the best baselines in a blend with the agent; None if none was.

    Args:
        bench: what blends are measured by.
        tuned: baselines, the best first.
        alone: the agent's value without a blend.
        agent: makes the agent, which is asked for where a blend has not been tried before.
    """
    best = {each.name: each for each in tuned[:_BLENDED]}

    @functools.cache
    def blend_with(name: str) -> Blend:
        log, size = bench.task.train, bench.config.environment.state_size
        base = _made(bench, name, best[name].settings).fit(log)
        return Blend.of(agent(), [base], [0.5], log, size)

    def objective(trial: optuna.Trial) -> float:
        name = trial.suggest_categorical("blend", [*best])
        weight = trial.suggest_categorical("blend_weight", _WEIGHTS)
        value = bench.value(blend_with(name).weighing(weight))
        logger.info("blended with %s, weight %g: %.4f", name, weight, value)
        return value

    tried = [{"blend": name, "blend_weight": weight} for weight in _WEIGHTS for name in best]
    if not tried:
        return None
    here = bench.search._replace(cluster=None)  # a weighing takes seconds, the fits above more
    study = here("blend", tried, objective, len(tried))
    peaks = [_peak(name, study, alone, is_more=bench.search.is_more) for name in best]
    choose = max if bench.search.is_more else min
    return choose(filter(None, peaks), key=lambda each: each.value, default=None)


def _peak(name: str, study: optuna.Study, alone: float, *, is_more: bool) -> Blended | None:
    """The best weight by a cubic through all values: a single one is as good as chance had it."""
    values = {0.0: alone} | {
        trial.params["blend_weight"]: trial.value
        for trial in study.trials
        if trial.state.name == "COMPLETE" and trial.params["blend"] == name
    }
    if len(values) < _LEAST_VALUES:
        return None
    weights, measured = np.array([*values]), np.array([*values.values()], float)
    fitted = np.polynomial.Polynomial.fit(weights, measured, 3)
    curve = fitted(_GRID)
    best = int(curve.argmax() if is_more else curve.argmin())
    return Blended(name, round(float(_GRID[best]), 2), float(curve[best]))


def _objective(bench: Bench, name: str, default: dict[str, Any], trial: optuna.Trial) -> float:
    settings = {key: _near(trial, key, value) for key, value in default.items()}
    return bench.value(_made(bench, name, settings).fit(bench.task.train))


def _made(bench: Bench, name: str, settings: dict[str, Any]) -> Any:
    """A baseline with these settings over those that the run has for it, not fitted yet."""
    if name in CONTENT_BASELINES:
        features = bench.content.features if bench.content else None
        baseline: Any = functools.partial(CONTENT_BASELINES[name], features)
    else:
        baseline = BASELINES[name]
    return made_by(name, baseline, bench.config, settings)


def _searched(model: Any) -> dict[str, Any]:
    """The settings of a baseline that are searched, as they are by default."""
    settings = model.settings() if hasattr(model, "settings") else {}
    return {
        name: value
        for name, value in settings.items()
        if name in _SEARCHED and isinstance(value, int | float) and value > 0
    }


def _near(trial: optuna.Trial, name: str, default: float) -> float:
    factor = _SEARCHED[name]
    if isinstance(default, int):
        low, high = max(1, round(default / factor)), round(default * factor)
        return trial.suggest_int(name, low, high, log=True)
    return trial.suggest_float(name, default / factor, default * factor, log=True)
