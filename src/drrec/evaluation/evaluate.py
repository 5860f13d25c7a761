"""Runs protocols over fitted recommenders; what it gives is one tidy result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.errors import InputError
from drrec.evaluation.cost import Cost, Watch
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.result import Evaluation, tidied

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drrec.data.dataset import Dataset
    from drrec.data.interactions import Interactions
    from drrec.evaluation.protocols.candidates import PerUser
    from drrec.types import Scorer


def evaluate(
    models: Mapping[str, Scorer],
    test: Dataset,
    protocol: str = "rated",
    *,
    seed: int = 0,
    **options: Any,
) -> Evaluation:
    """Judge fitted models on the same candidates.

    Args:
        models: by the names that the table shall have.
        test: the second part of `Dataset.split`.
        protocol: rated (order each user's test items), full (leave_one_out split, the whole
            catalogue), unmasked, sampled, ranked (all liked test items in the whole catalogue),
            cold_items (the same among items that nobody is known to have, as with the item split),
            session (made-up data), simulator, observed (coat and kuairec, with the given split);
            or a registered one. See docs/protocols.md.
        seed: of the shuffle that breaks ties, and of what the protocol draws.
        options: of the protocol, such as `min_items` of rated.

    Raises:
        InputError: the protocol is unknown or does not go with the split, or `test` is no test
            part.

    Examples:
        >>> import drrec, numpy as np, pandas as pd
        >>> items = np.random.default_rng(0).integers(80, size=1800)
        >>> frame = pd.DataFrame({"user": np.repeat(range(30), 60), "item": items})
        >>> train, test = drrec.Dataset.from_pandas(frame).split("temporal")
        >>> model = drrec.Popularity().fit(train)
        >>> found = drrec.evaluate({"popularity": model}, test, protocol="ranked")
        >>> list(found.values)
        ['protocol', 'method', 'metric', 'seed', 'user', 'value']
    """
    train = getattr(test, "known", None)
    if train is None:
        raise InputError(
            "Expected the test part of a split. Received: another data set. Take the second of "
            "train, test = data.split(...)."
        )
    if not models:
        raise InputError(
            "Expected at least one model to evaluate. Received: none. Give fitted ones by name."
        )
    asked, needed = protocol_of(protocol).asked(test)
    return evaluated(models, {protocol: (asked, needed | options)}, train, seed=seed)


def evaluated(
    models: Mapping[str, Scorer],
    trials: Mapping[str, tuple[Any, dict[str, Any]]],
    train: Interactions,
    *,
    seed: int,
    state_size: int | None = None,
) -> Evaluation:
    """What each model reaches under each protocol, and what a random order is expected to reach.

    Args:
        models: fitted ones by name.
        trials: by protocol, what it judges by and its own options.
        train: where histories come from.
        seed: of the shuffle that breaks ties, and of what protocols draw.
        state_size: L, the length of histories; None is each model's own.
    """
    found: dict[tuple[str, str, int], PerUser] = {}
    scoring: dict[tuple[str, str, int], Cost] = {}
    chance = {}
    for name, (asked, options) in trials.items():
        judged = protocol_of(name)
        for method, model in models.items():
            own = state_size or getattr(model, "history_length", 10)
            with Watch() as watch:
                each = judged.run(model, train, asked, state_size=own, seed=seed, **options)
            found[name, method, seed], scoring[name, method, seed] = each, watch.cost
        for bound, each in judged.bounds(asked, **options).items() if judged.bounds else ():
            found[name, bound, seed] = each
        if judged.chance:
            level = judged.chance(train, asked, **options).metrics
            chance[name] = {metric: float(np.mean(each)) for metric, each in level.items()}
    return Evaluation(
        tidied(found, train.users.raw),
        chance=chance,
        lists={key: each.lists for key, each in found.items() if each.lists is not None},
        scoring=scoring,
    )
