"""What methods that re-rank cannot exceed: the recall of what is proposed to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.protocols.rated import RELEVANT_FROM
from drrec.evaluation.result import Ceiling

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from drrec.data.interactions import Interactions
    from drrec.experiment.task import Task

_ROWS_AT_ONCE = 100_000


def recall_of(proposals: np.ndarray, test: Interactions, *, liked_only: bool) -> float:
    """How much of what the test asks for is proposed: the mean over users of each one's share.

    Args:
        proposals: [U, K] item ids.
        test: what is asked for.
        liked_only: of these rows, those rated `RELEVANT_FROM` or more.
    """
    if liked_only:
        test = test.where(test.rating >= RELEVANT_FROM)
    blocks = np.array_split(np.arange(len(test)), 1 + len(test) // _ROWS_AT_ONCE)
    is_found = np.concatenate(
        [(proposals[test.user[rows]] == test.item[rows, None]).any(axis=1) for rows in blocks]
    )  # [R]
    counts = test.counts()
    found = np.bincount(test.user, is_found, minlength=test.num_users)
    return float((found[counts > 0] / counts[counts > 0]).mean())


def ceilings(
    methods: Mapping[str, Any], judged: Task, protocols: Iterable[str], seed: int
) -> dict[tuple[str, str, int], Ceiling]:
    """By protocol over the catalogue, method and `seed`, what those that re-rank cannot exceed.

    Args:
        methods: by name, those that do not re-rank among them.
        judged: what is asked for.
        protocols: those that are judged by.
        seed: of the methods.
    """
    return {
        (protocol, name, seed): Ceiling(
            proposer=each.proposer_name,
            k=each.proposals.shape[1],
            recall=recall_of(each.proposals, judged.test, liked_only=asked == "liked"),
        )
        for protocol in protocols
        for name, each in methods.items()
        if (asked := protocol_of(protocol).ceiling) and getattr(each, "proposals", None) is not None
    }
