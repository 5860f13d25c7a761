"""What one method reaches beyond another, user by user: in numbers and in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from drrec.evaluation.markdown import signed
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.statistics import mean_interval, paired_p_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from drrec.evaluation.result import Evaluation

SIGNIFICANT = 0.05


def gains(found: Evaluation, methods: Sequence[str], versus: str) -> dict[str, Any]:
    """How far each of `methods` is above `versus`, averaged over seeds, then paired over users.

    Args:
        found: what was measured.
        methods: whose gains.
        versus: the method to compare with.

    Returns:
        `{"versus", "methods": {method: {protocol: {metric: {"mean", "low", "high", "p_value"}}}}}`
        with the metrics of the tables; intervals are 95 % bootstrap ones over users.
    """
    gained: dict[str, Any] = {method: {} for method in methods}
    for protocol in found.protocols:
        cube = found.cube(protocol)
        other = cube.of(versus).mean(axis=0)  # [S, U, M] -> [U, M]
        for method in methods:
            own = cube.of(method).mean(axis=0)
            columns = mean_interval(own - other)._asdict() | {"p_value": paired_p_value(own, other)}
            gained[method][protocol] = {
                metric: {
                    key: float(column[cube.metrics.index(metric)])
                    for key, column in columns.items()
                }
                for metric in protocol_of(protocol).shown
            }
    return {"versus": versus, "methods": gained}


def gains_text(content: Mapping[str, Any]) -> str:
    """Markdown: a sentence for each method and protocol, of the protocol's primary metric.

    Args:
        content: of `metrics.json`, with what `gains` gave as `content_added`.
    """
    return "\n".join(f"- {line}" for line in _sentences(content))


def _sentences(content: Mapping[str, Any]) -> Iterator[str]:
    added = content["content_added"]
    for method, protocols in added["methods"].items():
        for protocol, cells in protocols.items():
            metric = protocol_of(protocol).primary
            is_higher_better = protocol_of(protocol).higher_is_better(metric)
            cell, table = cells[metric], content["protocols"][protocol]
            if cell["p_value"] is None or math.isnan(cell["p_value"]):  # null in `metrics.json`
                yield f"`{protocol}`: {metric} is known of no user."
                continue
            own, other = (table[name][metric]["mean"] for name in (method, added["versus"]))
            verdict = "no difference that chance could not make"
            if cell["p_value"] < SIGNIFICANT:
                is_higher = cell["mean"] > 0
                verdict = "higher" if is_higher else "lower"
                if not is_higher_better:
                    verdict += f", which is {'worse' if is_higher else 'better'}"
            chance = content.get("chance", {}).get(protocol, {}).get(metric)
            is_known = chance is not None and math.isfinite(chance)
            beside = f" (a random order: {chance:.3f})" if is_known else ""
            yield (
                f"`{protocol}`: {metric} {own:.3f} by {method}, {other:.3f} by {added['versus']}"
                f"{beside}: {cell['mean']:+.3f} [{signed(cell['low'])}, {signed(cell['high'])}], "
                f"p = {cell['p_value']:.4f}: {verdict}."
            )
