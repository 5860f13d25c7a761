"""The baselines that a run is judged beside."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import drrec
from drrec.embeddings.config import listed
from drrec.errors import InputError, shown, told
from drrec.evaluation.cost import Cost, Watch
from drrec.files import removed
from drrec.registry import BASELINES, CONTENT_BASELINES, LANGUAGE_MODELS
from drrec.saving import load_noted, size_of, write_model

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Mapping

    from drrec.embeddings.pretrain import Content
    from drrec.experiment.config import RunConfig
    from drrec.experiment.task import Task

logger = logging.getLogger(__name__)

LARGEST_KEPT = 64 << 20
"""Bytes of a fitted baseline's arrays: a larger one takes about as long to write as to fit."""

SHORTEST_KEPT = 1.0
"""Seconds of a fit: a shorter one is done again."""


class Fitted(NamedTuple):
    """A model, and what fitting it took."""

    model: Any
    cost: Cost


def asked_for(baselines: str) -> tuple[str, ...]:
    """The names of what `--baselines` asks for.

    Raises:
        InputError: one is unknown, or there twice.
    """
    if baselines.strip() == "all":
        return tuple(BASELINES)
    return listed("baselines", baselines, (*BASELINES, *LANGUAGE_MODELS))


def kept_in(weights: pathlib.Path) -> pathlib.Path:
    """Where a run keeps fitted baselines until it is reported, beside its checkpoints."""
    return weights / "baselines"


def forget(weights: pathlib.Path) -> None:
    """Remove the baselines that a run has kept, once it is reported."""
    if kept_in(weights).exists():
        removed(kept_in(weights))


def baselines(
    judged: Task,
    content: Content | None,
    config: RunConfig,
    fitted: dict[str, Fitted],
    kept: pathlib.Path | None = None,
) -> dict[str, Fitted]:
    """The baselines that are asked for, fitted; those that no seed changes are kept in `fitted`.

    Args:
        judged: what they are fitted to.
        content: what items are known by beside their ids.
        config: which, and with which seed.
        fitted: those of earlier seeds, by name.
        kept: a folder for those that take long to fit, so that a run that was killed has them when
            it goes on; None keeps none. Those larger than `LARGEST_KEPT` are fitted again.

    Raises:
        InputError: one cannot be fitted to so much; of `all` it is left out.
    """
    every = config.baselines.strip() == "all"
    made: dict[str, Any] = {
        name: (BASELINES if name in BASELINES else LANGUAGE_MODELS)[name]
        for name in asked_for(config.baselines)
    }
    if content:
        for name, baseline in CONTENT_BASELINES.items():
            made[name] = functools.partial(baseline, content.features)
    methods = {}
    for name, baseline in made.items():
        if name not in fitted or fitted[name].model.is_random:
            model = made_by(name, baseline, config)
            path = None
            if kept and hasattr(model, "settings"):  # a `Scorer` need not be a `Recommender`
                path = kept / f"{name}-{_key(model, judged, content)}.drrec"
            try:
                fitted[name] = _read(path) or _fitted(name, model, judged, path)
            except InputError as error:
                if not every:
                    raise
                logger.warning("%s is left out: %s", name, error)
                continue
        methods[name] = fitted[name]
    return methods


def made_by(
    name: str, baseline: Any, config: RunConfig, settings: Mapping[str, Any] | None = None
) -> Any:
    """A baseline with the settings that were tuned, and `settings` over them, not fitted yet.

    Raises:
        InputError: there are no such settings.
    """
    try:
        return baseline(seed=config.seed, **(config.tuned.get(name, {}) | dict(settings or {})))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"Expected settings of {name} under `tuned`. Received: "
            f"{shown(config.tuned.get(name))} ({told(error)})."
        ) from error


def _key(model: Any, judged: Task, content: Content | None) -> str:
    """A hash of all that a fitted baseline depends on."""
    of = {
        "ratings": judged.train.fingerprint,
        "content": content.fingerprint if content else None,
        "settings": model.settings(),
        "version": drrec.__version__,
    }
    text = json.dumps(of, sort_keys=True, default=lambda value: type(value).__name__)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _fitted(name: str, model: Any, judged: Task, path: pathlib.Path | None) -> Fitted:
    logger.info("fitting %s%s", name, f", seed {model.seed}" if model.is_random else "")
    with Watch() as watch:
        model.fit(judged.train_data if getattr(model, "reads_titles", False) else judged.train)
    if path is not None and watch.cost.seconds >= SHORTEST_KEPT:
        try:
            if size_of(model) <= LARGEST_KEPT:
                write_model(path, model, {"cost": watch.cost._asdict()})
        except InputError as error:  # somebody's own, which cannot be saved
            logger.info("%s is not kept: %s", name, error)
    return Fitted(model, watch.cost)


def _read(path: pathlib.Path | None) -> Fitted | None:
    if path is None or not path.exists():
        return None
    try:
        model, notes = load_noted(path)
        cost = Cost(**notes["cost"])
    except (InputError, KeyError, TypeError) as error:
        logger.warning("%s is broken and is made again: %s", path, error)
        return None
    logger.info("%s: fitted already", path.stem.rpartition("-")[0])
    return Fitted(model, cost)
