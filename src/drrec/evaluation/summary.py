"""From one tidy result to the content of `metrics.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.evaluation.beyond import beyond
from drrec.evaluation.comparisons import compared
from drrec.evaluation.judges import JUDGES
from drrec.evaluation.offpolicy import ESTIMATORS
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.protocols.session import BOUNDS
from drrec.evaluation.protocols.simulated import agreement
from drrec.evaluation.slices import slices
from drrec.evaluation.statistics import paired_p_value

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from drrec.evaluation.offpolicy import Indication
    from drrec.evaluation.protocols.protocol import Protocol
    from drrec.evaluation.result import Cells, Evaluation


def summarised(found: Evaluation, *, agents: Collection[str] = ()) -> dict[str, Any]:
    """The content of `metrics.json`, for `files.write_json`, which turns NaN into null.

    Over several seeds each user's metrics are averaged first, so that the interval still speaks of
    users; `std` is the spread of the seeds' means.

    Args:
        found: what was measured.
        agents: the methods that are tested against the others.

    Returns:
        `{"dataset", "split", "seed", "seeds", "splits": {protocol: name}, "chance": {protocol:
        {metric: mean}}, "protocols": {protocol: {method: {metric: cell}}}, "comparisons":
        {protocol: {"metric", "agents": {agent: {baseline: cell}}}}}`. A cell is what
        `result.cells_of` gives, with `p_value` and `versus` for an agent that has a baseline to be
        tested against, the best one; `comparisons` holds the protocols that have both, see
        `comparisons.compared`. Where some re-rank, `ceiling: {protocol: {method: {"proposer", "k",
        "recall"}}}`. With a `background`, `beyond: {protocol: {method: {metric: cell}}}`, see
        `beyond.beyond`, and `slices: {protocol: …}`, see `slices.slices`. With `indications`,
        `off_policy: {method: …}`; with several methods under `simulator`, `agreement:
        {"kendall_tau", "pearson"}`, of its judges.

    Raises:
        ValueError: methods differ in their users or seeds.
    """
    protocols = {}
    for protocol in found.protocols:
        protocols[protocol] = found.cells(protocol)
        _add_tests(protocols[protocol], found, protocol, agents)
    return {
        "dataset": found.dataset,
        "split": found.split,
        "seed": found.seeds[0],
        "seeds": found.seeds,
        "splits": dict.fromkeys(protocols, found.split),
        "chance": found.chance,
        "protocols": protocols,
        "comparisons": _comparisons(found, protocols, agents),
        **_told_apart(found),
        **_ceilings(found),
        **_agreement(found),
        **({"off_policy": _off_policy(found.indications)} if found.indications else {}),
    }


def _ceilings(found: Evaluation) -> dict[str, Any]:
    """Under `ceiling`, by protocol and method, what those that re-rank cannot exceed."""
    mean: dict[str, Any] = {}
    for protocol, method, seed in found.ceilings:
        if seed == found.seeds[0]:
            by_seed = found.by_seed(found.ceilings, protocol, method)
            recall = float(np.mean([each.recall for each in by_seed]))
            mean.setdefault(protocol, {})[method] = by_seed[0]._replace(recall=recall)._asdict()
    return {"ceiling": mean} if mean else {}


def _agreement(found: Evaluation) -> dict[str, Any]:
    """Under `agreement`, how far the simulator's judges agree on the methods, with one seed."""
    if "simulator" not in found.protocols or len(found.cube("simulator").methods) < 2:
        return {}
    cube = found.cube("simulator")
    first, second = (cube.values[:, 0, :, cube.metrics.index(f"reward_{each}")] for each in JUDGES)
    return {"agreement": agreement(first, second)._asdict()}


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


def baselines_by(
    methods: Mapping[str, Cells], protocol: Protocol, agents: Collection[str]
) -> list[str]:
    """The methods outside `agents`, bounds apart, best first by the mean of the primary metric."""
    baselines = [name for name in methods if name not in agents and name not in BOUNDS]
    sign = 1 if protocol.higher_is_better(protocol.primary) else -1

    def goodness(name: str) -> float:
        mean = methods[name][protocol.primary]["mean"]
        return -np.inf if mean is None or np.isnan(mean) else sign * mean  # null in `metrics.json`

    return sorted(baselines, key=goodness, reverse=True)


def _comparisons(
    found: Evaluation, protocols: Mapping[str, Any], agents: Collection[str]
) -> dict[str, Any]:
    comparisons = {}
    for name, methods in protocols.items():
        protocol = protocol_of(name)
        own = [each for each in methods if each in agents]
        others = baselines_by(methods, protocol, agents)
        if own and others:
            metric, cube = protocol.primary, found.cube(name)
            values = {each: cube.of(each, metric) for each in (*own, *others)}
            is_higher = protocol.higher_is_better(metric)
            cells = compared(values, own, others, higher_is_better=is_higher)
            comparisons[name] = {"metric": metric, "agents": cells}
    return comparisons


def _told_apart(found: Evaluation) -> dict[str, Any]:
    """What the background allows: `beyond` and `slices`."""
    if found.background is None:
        return {}
    return {
        "beyond": {
            protocol: lists
            for protocol in found.protocols
            if protocol_of(protocol).keeps_lists and (lists := beyond(found, protocol))
        },
        "slices": {protocol: slices(found, protocol) for protocol in found.protocols},
    }


def _add_tests(
    cells: dict[str, Cells], found: Evaluation, protocol: str, agents: Collection[str]
) -> None:
    cube = found.cube(protocol)
    for best in baselines_by(cells, protocol_of(protocol), agents)[:1]:
        for agent in (name for name in cells if name in agents):
            pair = (cube.of(name).mean(axis=0) for name in (agent, best))  # [U, M] each
            for cell, p_value in zip(cells[agent].values(), paired_p_value(*pair), strict=True):
                cell |= {"p_value": float(p_value), "versus": best}
