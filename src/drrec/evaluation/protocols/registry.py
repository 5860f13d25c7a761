"""The ways to evaluate a recommender; each gives per-user metrics (docs/protocols.md)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from drrec.evaluation.protocols.candidates import PerUser
from drrec.evaluation.protocols.drifting import synthetic
from drrec.evaluation.protocols.full import FULL_METRICS, full
from drrec.evaluation.protocols.ranked import RANKED_METRICS, cold_items, ranked
from drrec.evaluation.protocols.rated import RATED_METRICS, rated
from drrec.evaluation.protocols.sampled import SAMPLED_METRICS, sampled
from drrec.evaluation.protocols.session import SESSION_METRICS, session
from drrec.evaluation.protocols.simulated import SIMULATOR_METRICS, simulator

if TYPE_CHECKING:
    from collections.abc import Callable

PROTOCOLS: dict[str, Callable[..., PerUser]] = {
    "rated": rated,
    "full": full,
    "unmasked": functools.partial(full, mask_seen=False),
    "sampled": sampled,
    "ranked": ranked,
    "cold_items": cold_items,
    "cold_users": rated,
    "session": session,
    "simulator": simulator,
    "synthetic": synthetic,
}
"""`protocol(recommender, train, test, *, state_size, seed) -> PerUser` by name.

`session` takes the truth of a world in place of `test`, and the `best` that could be had.
`simulator` takes the two of `judges.simulators`; `synthetic` a drifting world, and the `best`.
`cold_items` takes `candidates`, too. Both cold ones are handed their logs of `data.cold.ColdSplit`.
"""

PROTOCOL_METRICS: dict[str, tuple[str, ...]] = {
    "rated": RATED_METRICS,
    "full": FULL_METRICS,
    "unmasked": FULL_METRICS,
    "sampled": SAMPLED_METRICS,
    "ranked": RANKED_METRICS,
    "cold_items": RANKED_METRICS,
    "cold_users": RATED_METRICS,
    "session": SESSION_METRICS,
    "simulator": SIMULATOR_METRICS,
    "synthetic": SESSION_METRICS,
}
"""What each protocol measures."""

PRIMARY_METRICS: dict[str, str] = {
    "rated": "ndcg@5",
    "full": "ndcg@10",
    "unmasked": "ndcg@10",
    "sampled": "ndcg@10",
    "ranked": "ndcg@10",
    "cold_items": "ndcg@10",
    "cold_users": "ndcg@10",
    "session": "reward",
    "simulator": "reward",
    "synthetic": "reward",
}
"""By which metric the best baseline is chosen."""

TABLE_METRICS: dict[str, tuple[str, ...]] = {
    "rated": RATED_METRICS,
    "full": ("hr@10", "ndcg@10", "mrr@10"),
    "unmasked": ("hr@10", "ndcg@10", "mrr@10"),
    "sampled": ("hr@1", "hr@5", "hr@10", "ndcg@10", "mrr@10"),
    "ranked": ("hr@10", "ndcg@10", "recall@20", "mrr@10"),
    "cold_items": ("hr@10", "ndcg@10", "recall@20", "mrr@10"),
    "cold_users": RATED_METRICS,
    "session": ("reward", "mean_reward", "share"),
    "simulator": (
        *("reward", "reward_factors", "reward_neighbours"),
        *("mean_reward", "depth", "coverage"),
    ),
    "synthetic": ("reward", "regret", "share"),
}
"""The columns of each protocol's table; `metrics.json` has all."""

__all__ = [
    "PRIMARY_METRICS",
    "PROTOCOLS",
    "PROTOCOL_METRICS",
    "TABLE_METRICS",
    "PerUser",
    "cold_items",
    "full",
    "ranked",
    "rated",
    "sampled",
    "session",
    "simulator",
    "synthetic",
]
