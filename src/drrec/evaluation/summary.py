"""From the per-user metrics of one or several seeds to the content of `metrics.json`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.evaluation.protocol import PRIMARY_METRICS
from drrec.evaluation.session import BOUNDS
from drrec.evaluation.statistics import mean_interval, paired_p_value, spread

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from drrec.evaluation.candidates import PerUser

Cells = dict[str, dict[str, Any]]
"""`{metric: {"mean", "low", "high", …}}` of one method."""


@dataclasses.dataclass(frozen=True)
class Results:
    """What one seed measured: `protocols[protocol][method]`, methods named as in registries."""

    dataset: str
    split: str
    seed: int
    protocols: dict[str, dict[str, PerUser]]
    splits: dict[str, str] = dataclasses.field(default_factory=dict)
    """Protocols that ran on another split than `split`, with its name."""
    chance: dict[str, PerUser] = dataclasses.field(default_factory=dict)
    """What a random order is expected to reach, for protocols where that is known."""


def summarised(results: Sequence[Results], *, agents: Collection[str] = ()) -> dict[str, Any]:
    """The content of `metrics.json`, for `files.write_json`, which turns NaN into null.

    Over several seeds each user's metrics are averaged first, so that the interval still speaks of
    users; `std` is the spread of the seeds' means.

    Args:
        results: one for each seed, all of one data set and split, the same methods and users.
        agents: the methods that are tested against the best of the others.

    Returns:
        `{"dataset", "split", "seed", "seeds", "splits": {protocol: name}, "chance": {protocol:
        {metric: mean}}, "protocols": {protocol: {method: {metric: cell}}}}`, a cell being `{"mean",
        "low", "high", "num_users"}`, with `std` where there are several seeds, and `p_value` and
        `versus` for an agent.

    Raises:
        ValueError: the results do not belong together.
    """
    first = results[0]
    _check_comparable(results)
    protocols = {}
    for protocol, methods in first.protocols.items():
        per_user = {name: per_user_values(results, protocol, name) for name in methods}
        cells = {
            name: _cells(values, list(methods[name].metrics)) for name, values in per_user.items()
        }
        _add_tests(cells, per_user, PRIMARY_METRICS[protocol], agents)
        protocols[protocol] = cells
    return {
        "dataset": first.dataset,
        "split": first.split,
        "seed": first.seed,
        "seeds": [each.seed for each in results],
        "splits": {protocol: first.splits.get(protocol, first.split) for protocol in protocols},
        "chance": {
            protocol: {name: float(np.mean(each)) for name, each in level.metrics.items()}
            for protocol, level in first.chance.items()
        },
        "protocols": protocols,
    }


def split_of(content: Mapping[str, Any], protocol: str) -> str:
    """The name of the split that a protocol of `metrics.json` ran on."""
    return content.get("splits", {}).get(protocol, content["split"])


def best_baseline(methods: Mapping[str, Cells], metric: str, agents: Collection[str]) -> str | None:
    """The method outside `agents` with the highest mean of `metric`, None if there is none."""
    baselines = [name for name in methods if name not in agents and name not in BOUNDS]
    return max(baselines, key=lambda name: methods[name][metric]["mean"], default=None)


def per_user_values(results: Sequence[Results], protocol: str, name: str) -> np.ndarray:
    """[S, U, M] what a method reaches, by seed, user and metric."""
    return np.array(
        [
            np.stack(list(each.protocols[protocol][name].metrics.values()), axis=1)
            for each in results
        ]
    )


def _cells(values: np.ndarray, metrics: Sequence[str]) -> Cells:
    per_user = values.mean(axis=0)  # [S, U, M] -> [U, M]
    columns = mean_interval(per_user)._asdict()
    if len(values) > 1:
        columns["std"] = spread(np.nanmean(values, axis=1))
    num_users = np.isfinite(per_user).sum(axis=0)
    return {
        metric: {key: float(column[m]) for key, column in columns.items()}
        | {"num_users": int(num_users[m])}
        for m, metric in enumerate(metrics)
    }


def _add_tests(
    cells: dict[str, Cells],
    per_user: Mapping[str, np.ndarray],
    metric: str,
    agents: Collection[str],
) -> None:
    baseline = best_baseline(cells, metric, agents)
    for agent in cells:
        if agent not in agents or baseline is None:
            continue
        p_values = paired_p_value(per_user[agent].mean(axis=0), per_user[baseline].mean(axis=0))
        for cell, p_value in zip(cells[agent].values(), p_values, strict=True):
            cell |= {"p_value": float(p_value), "versus": baseline}


def _check_comparable(results: Sequence[Results]) -> None:
    first = results[0]
    for each in results:
        same = (each.dataset, each.split) == (first.dataset, first.split)
        same &= each.splits == first.splits
        if not same or _methods(each) != _methods(first):
            raise ValueError(
                f"Expected results of one data set, split and set of methods ({first.dataset}, "
                f"{first.split}, {_methods(first)}). Received: {each.dataset}, {each.split}, "
                f"{_methods(each)}. Report them apart."
            )
        for protocol, methods in each.protocols.items():
            users = next(iter(first.protocols[protocol].values())).users
            for name, result in methods.items():
                if not np.array_equal(result.users, users):
                    raise ValueError(
                        f"Expected the same users throughout {protocol!r}. Received: others for "
                        f"{name!r} with seed {each.seed}. Evaluate all on one split."
                    )


def _methods(results: Results) -> dict[str, list[str]]:
    return {protocol: sorted(methods) for protocol, methods in results.protocols.items()}
