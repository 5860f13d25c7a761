"""From the per-user metrics of one or several seeds to the content of `metrics.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.evaluation.beyond import beyond
from drrec.evaluation.comparisons import compared
from drrec.evaluation.offpolicy import ESTIMATORS
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.protocols.session import BOUNDS
from drrec.evaluation.protocols.simulated import agreement
from drrec.evaluation.results import Background, Cells, Results, cells_of, per_user_values
from drrec.evaluation.slices import slices
from drrec.evaluation.statistics import paired_p_value

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from drrec.evaluation.offpolicy import Indication

__all__ = [
    "Background",
    "Cells",
    "Results",
    "baselines_by",
    "best_baseline",
    "per_user_values",
    "split_of",
    "summarised",
]


def summarised(results: Sequence[Results], *, agents: Collection[str] = ()) -> dict[str, Any]:
    """The content of `metrics.json`, for `files.write_json`, which turns NaN into null.

    Over several seeds each user's metrics are averaged first, so that the interval still speaks of
    users; `std` is the spread of the seeds' means.

    Args:
        results: one for each seed, all of one data set and split, the same methods and users.
        agents: the methods that are tested against the others.

    Returns:
        `{"dataset", "split", "seed", "seeds", "splits": {protocol: name}, "chance": {protocol:
        {metric: mean}}, "protocols": {protocol: {method: {metric: cell}}}}`, a cell being what
        `results.cells_of` gives, with `p_value` and `versus` for an agent: the test against the
        best baseline. Where there is a baseline to compare agents with, `comparisons: {protocol:
        {"metric", "agents": {agent: {baseline: cell}}}}`, see `comparisons.compared`. Where
        some re-rank, `ceiling: {protocol: {method: {"proposer", "k", "recall"}}}`. Where
        results have a `background`, `beyond: {protocol: {method: {metric: cell}}}`, see
        `beyond.beyond`, and `slices: {protocol: …}`, see `slices.slices`. Where the first of them
        has `indications`, `off_policy: {method: …}`; where it has `simulator`, `agreement:
        {"kendall_tau", "pearson"}`, of its judges.

    Raises:
        ValueError: the results do not belong together.
    """
    first = results[0]
    _check_comparable(results)
    protocols = {}
    for protocol, methods in first.protocols.items():
        per_user = {name: per_user_values(results, protocol, name) for name in methods}
        cells = {
            name: cells_of(values, list(methods[name].metrics)) for name, values in per_user.items()
        }
        _add_tests(cells, per_user, protocol_of(protocol).primary, agents)
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
        "comparisons": _comparisons(results, protocols, agents),
        **_told_apart(results),
        **_ceilings(results),
        **_agreement(first),
        **({"off_policy": _off_policy(first.indications)} if first.indications else {}),
    }


def _ceilings(results: Sequence[Results]) -> dict[str, Any]:
    """Under `ceiling`, by protocol and method, what those that re-rank cannot exceed."""
    found = {
        protocol: {
            name: ceiling._replace(
                recall=float(np.mean([each.ceilings[protocol][name].recall for each in results]))
            )._asdict()
            for name, ceiling in methods.items()
        }
        for protocol, methods in results[0].ceilings.items()
    }
    return {"ceiling": found} if found else {}


def _agreement(first: Results) -> dict[str, Any]:
    """Under `agreement`, how far the simulator's judges agree, if there are methods to compare."""
    methods = first.protocols.get("simulator", {})
    return {"agreement": agreement(methods)._asdict()} if len(methods) > 1 else {}


def _off_policy(indications: Mapping[str, Indication]) -> dict[str, dict[str, Any]]:
    """`{method: {"verdict", "effective_sample", "overlap"}}`, with the estimates, if any."""
    found: dict[str, dict[str, Any]] = {}
    for name, said in indications.items():
        found[name] = {
            "verdict": said.verdict,
            "effective_sample": said.effective_sample,
            "overlap": said.overlap,
        }
        if said.estimates is not None:
            found[name]["mean_weight"] = said.estimates.mean_weight
            for kind in ESTIMATORS:
                value, low, high = getattr(said.estimates, kind)
                found[name][kind] = {"mean": value, "low": low, "high": high}
    return found


def split_of(content: Mapping[str, Any], protocol: str) -> str:
    """The name of the split that a protocol of `metrics.json` ran on."""
    return content.get("splits", {}).get(protocol, content["split"])


def best_baseline(methods: Mapping[str, Cells], metric: str, agents: Collection[str]) -> str | None:
    """The method outside `agents` with the highest mean of `metric`, None if there is none."""
    return next(iter(baselines_by(methods, metric, agents)), None)


def baselines_by(methods: Mapping[str, Cells], metric: str, agents: Collection[str]) -> list[str]:
    """The methods outside `agents`, bounds apart, from the highest mean of `metric` down."""
    baselines = [name for name in methods if name not in agents and name not in BOUNDS]

    def mean(name: str) -> float:
        value = methods[name][metric]["mean"]
        return -np.inf if value is None or np.isnan(value) else value  # null in `metrics.json`

    return sorted(baselines, key=mean, reverse=True)


def _comparisons(
    results: Sequence[Results], protocols: Mapping[str, Any], agents: Collection[str]
) -> dict[str, Any]:
    found = {}
    for protocol, methods in protocols.items():
        metric = protocol_of(protocol).primary
        own = [name for name in methods if name in agents]
        others = baselines_by(methods, metric, agents)
        if own and others:
            column = list(methods[own[0]]).index(metric)
            values = {
                name: per_user_values(results, protocol, name)[:, :, column]
                for name in (*own, *others)
            }
            found[protocol] = {"metric": metric, "agents": compared(values, own, others)}
    return found


def _told_apart(results: Sequence[Results]) -> dict[str, Any]:
    """What the background allows: `beyond` and `slices`."""
    if any(each.background is None for each in results):
        return {}
    protocols = results[0].protocols
    return {
        "beyond": {
            protocol: lists
            for protocol in protocols
            if protocol_of(protocol).keeps_lists and (lists := beyond(results, protocol))
        },
        "slices": {protocol: slices(results, protocol) for protocol in protocols},
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
