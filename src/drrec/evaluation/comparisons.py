"""Every agent against every baseline, user by user, as one family of tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.evaluation.effects import cohens_d_z, holm, superiority
from drrec.evaluation.statistics import mean_interval, paired_p_value, two_level_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def compared(
    values: Mapping[str, np.ndarray],
    agents: Sequence[str],
    baselines: Sequence[str],
    *,
    higher_is_better: bool = True,
) -> dict[str, dict[str, dict[str, float]]]:
    """How far each agent is from each baseline in one metric.

    Args:
        values: by method, [S, U] a metric by seed and user, NaN where a user has none.
        agents: the methods compared, in the order to give them.
        baselines: what each of them is compared with. All pairs are one family for Holm.
        higher_is_better: whether more of the metric is better; `superiority` counts users who are
            better off, while `mean` and `d_z` are signed as the metric is.

    Returns:
        `{agent: {baseline: {"mean", "low", "high", "p_value", "p_holm", "d_z", "superiority"}}}`:
        the mean difference with its 95 % bootstrap interval over users, the paired permutation
        test of it with and without Holm's correction, and two effect sizes, each of the mean over
        seeds. With several seeds there are `low_seeds` and `high_seeds`, too, over users and seeds.
    """
    pairs = [(agent, baseline) for agent in agents for baseline in baselines]
    if not pairs:
        return {agent: {} for agent in agents}
    own, other = (
        np.stack([values[pair[side]] for pair in pairs], axis=2)  # [S, U, pairs]
        for side in (0, 1)
    )
    difference = (own - other).mean(axis=0)  # [U, pairs]
    p_values = paired_p_value(own.mean(axis=0), other.mean(axis=0))
    columns = mean_interval(difference)._asdict() | {
        "p_value": p_values,
        "p_holm": holm(p_values),
        "d_z": cohens_d_z(difference),
        "superiority": superiority(difference if higher_is_better else -difference),
    }
    if len(own) > 1:
        wide = two_level_interval(own - other)
        columns |= {"low_seeds": wide.low, "high_seeds": wide.high}
    found: dict[str, dict[str, Any]] = {agent: {} for agent in agents}
    for index, (agent, baseline) in enumerate(pairs):
        found[agent][baseline] = {key: float(column[index]) for key, column in columns.items()}
    return found
