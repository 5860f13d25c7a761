"""What a random order is expected to reach, without drawing one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def expected(
    size: np.ndarray, num_relevant: np.ndarray, cuts: Sequence[int]
) -> dict[str, np.ndarray]:
    """Metrics of R relevant ones among N candidates in an order that says nothing.

    Each place is relevant with probability R / N, and the first p places hold none with
    probability (N − R)! (N − p)! / (N! (N − R − p)!).

    Args:
        size: [B] N, at least 1.
        num_relevant: [B] R, from 1 to N.
        cuts: K of each metric.

    Returns:
        `hr@K`, `ndcg@K`, `recall@K` and `mrr@K`, [B] each in [0, 1].
    """
    size, num_relevant = size[:, None], num_relevant[:, None]
    place = np.arange(max(cuts))
    left = np.maximum(size - num_relevant - place, 0) / np.maximum(size - place, 1)  # [B, K]
    miss = np.pad(left.cumprod(axis=1), ((0, 0), (1, 0)), constant_values=1)  # [B, K + 1]
    discount = 1 / np.log2(place + 2)
    gain = np.where(place < size, discount, 0).cumsum(axis=1) * num_relevant / size
    ideal = np.where(place < num_relevant, discount, 0).cumsum(axis=1)
    values = {
        "hr": 1 - miss[:, 1:],
        "ndcg": gain / ideal,
        "recall": np.minimum(place + 1, size) / size,
        "mrr": ((miss[:, :-1] - miss[:, 1:]) / (place + 1)).cumsum(axis=1),
    }
    return {f"{name}@{cut}": value[:, cut - 1] for name, value in values.items() for cut in cuts}
