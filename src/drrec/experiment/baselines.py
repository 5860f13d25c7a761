"""The baselines that a run is judged beside."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from drrec.embeddings.config import listed
from drrec.errors import InputError
from drrec.evaluation.cost import Watch
from drrec.registry import BASELINES, CONTENT_BASELINES

if TYPE_CHECKING:
    from drrec.embeddings.pretrain import Content
    from drrec.evaluation.cost import Cost
    from drrec.experiment.config import RunConfig
    from drrec.experiment.task import Task

logger = logging.getLogger(__name__)


class Fitted(NamedTuple):
    """A model, and what fitting it took."""

    model: Any
    cost: Cost


def asked_for(baselines: str) -> tuple[str, ...]:
    """The names of what `--baselines` asks for.

    Raises:
        InputError: one is unknown, or there twice.
    """
    known = tuple(BASELINES)
    return known if baselines.strip() == "all" else listed("baselines", baselines, known)


def baselines(
    judged: Task, content: Content | None, config: RunConfig, fitted: dict[str, Fitted]
) -> dict[str, Fitted]:
    """The baselines that are asked for, fitted; those that no seed changes are kept in `fitted`.

    Raises:
        InputError: one cannot be fitted to so much; of `all` it is left out.
    """
    every = config.baselines.strip() == "all"
    made: dict[str, Any] = {name: BASELINES[name] for name in asked_for(config.baselines)}
    if content:
        for name, baseline in CONTENT_BASELINES.items():
            made[name] = functools.partial(baseline, content.features)
    methods = {}
    for name, baseline in made.items():
        if name not in fitted or fitted[name].model.is_random:
            model = baseline(seed=config.seed)
            logger.info("fitting %s%s", name, f", seed {config.seed}" * model.is_random)
            try:
                with Watch() as watch:
                    model.fit(judged.train)
            except InputError as error:
                if not every:
                    raise
                logger.warning("%s is left out: %s", name, error)
                continue
            fitted[name] = Fitted(model, watch.cost)
        methods[name] = fitted[name]
    return methods
