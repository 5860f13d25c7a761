"""What one method reaches beyond another, user by user: in numbers and in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.statistics import mean_interval, paired_p_value
from drrec.evaluation.summary import per_user_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from drrec.evaluation.summary import Results

SIGNIFICANT = 0.05


def gains(results: Sequence[Results], methods: Sequence[str], versus: str) -> dict[str, Any]:
    """How far each of `methods` is above `versus`, averaged over seeds, then paired over users.

    Args:
        results: one for each seed.
        methods: whose gains.
        versus: the method to compare with.

    Returns:
        `{"versus", "methods": {method: {protocol: {metric: {"mean", "low", "high", "p_value"}}}}}`
        with the metrics of the tables; intervals are 95 % bootstrap ones over users.
    """
    found: dict[str, Any] = {method: {} for method in methods}
    for protocol in results[0].protocols:
        metrics = list(results[0].protocols[protocol][versus].metrics)
        other = per_user_values(results, protocol, versus).mean(axis=0)  # [S, U, M] -> [U, M]
        for method in methods:
            own = per_user_values(results, protocol, method).mean(axis=0)
            interval = mean_interval(own - other)
            cells = {
                metric: {key: float(column[m]) for key, column in interval._asdict().items()}
                for m, metric in enumerate(metrics)
            }
            for cell, p_value in zip(cells.values(), paired_p_value(own, other), strict=True):
                cell["p_value"] = float(p_value)
            shown = [metric for metric in protocol_of(protocol).shown if metric in cells]
            found[method][protocol] = {metric: cells[metric] for metric in shown}
    return {"versus": versus, "methods": found}


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
            cell, table = cells[metric], content["protocols"][protocol]
            if cell["p_value"] is None or math.isnan(cell["p_value"]):  # null in `metrics.json`
                yield f"`{protocol}`: {metric} is known of no user."
                continue
            own, other = (table[name][metric]["mean"] for name in (method, added["versus"]))
            verdict = "no difference that chance could not make"
            if cell["p_value"] < SIGNIFICANT:
                verdict = "higher" if cell["mean"] > 0 else "lower"
            chance = content.get("chance", {}).get(protocol, {}).get(metric)
            beside = f" (a random order: {chance:.3f})" if chance is not None else ""
            yield (
                f"`{protocol}`: {metric} {own:.3f} by {method}, {other:.3f} by {added['versus']}"
                f"{beside}: {cell['mean']:+.3f} [{cell['low']:+.3f}, {cell['high']:+.3f}], "
                f"p = {cell['p_value']:.4f}: {verdict}."
            )
