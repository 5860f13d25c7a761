"""The baseline that proposes what an agent re-ranks: fitted, asked, and its own recall told."""

from __future__ import annotations

import functools
import inspect
import logging
from typing import TYPE_CHECKING

import numpy as np

from drrec.baselines import BASELINES
from drrec.errors import InputError
from drrec.evaluation.protocols.candidates import batches, candidate_scores, catalogue
from drrec.evaluation.protocols.rated import RELEVANT_FROM
from drrec.evaluation.results import Ceiling
from drrec.serving.reranked import Reranked
from drrec.types import PADDING

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from drrec.data.interactions import Interactions
    from drrec.experiment.config import RunConfig
    from drrec.experiment.task import Task
    from drrec.types import Recommender

logger = logging.getLogger(__name__)


def check_proposer(name: str) -> None:
    """See that there is such a baseline.

    Raises:
        InputError: there is not.
    """
    if name and name not in BASELINES:
        raise InputError(
            f"Expected a baseline for --propose. Received: {name!r}. "
            f"There are: {', '.join(BASELINES)}."
        )


def prefix_proposals(config: RunConfig, known: Interactions) -> np.ndarray | None:
    """[U, K] what is proposed to those who have no more than `known`, for sessions to show.

    None where nothing is proposed: sessions show what they show without.
    """
    settings = config.environment.proposals
    if not settings.propose:
        return None
    proposer = _fitted(settings.propose, known, config.seed)
    return proposals_of(proposer, known, settings.propose_k, config, mask_seen=True)


def final_proposals(config: RunConfig, judged: Task) -> np.ndarray | None:
    """[U, K] what is proposed after all of `judged.train`; None where nothing is proposed.

    Seen items are proposed where they come again.
    """
    settings = config.environment.proposals
    if not settings.propose:
        return None
    train = judged.train
    proposer = final_proposer(config, judged)
    return proposals_of(
        proposer, train, settings.propose_k, config, mask_seen=not train.has_repeats
    )


def final_proposer(config: RunConfig, judged: Task) -> Recommender:
    """The proposer fitted on all of `judged.train`."""
    name = config.environment.proposals.propose
    return _final_fit(judged, name, config.seed if _takes_seed(name) else 0)


def proposals_of(
    proposer: Recommender, log: Interactions, count: int, config: RunConfig, *, mask_seen: bool
) -> np.ndarray:
    """[U, K] int32 each user's items of highest score, best first, 0 where there are no more.

    Args:
        proposer: fitted on `log`.
        log: what users liked last, and what they have seen.
        count: K at most; the catalogue may have fewer items.
        config: how long histories are, and the seed of the tie_order that breaks ties.
        mask_seen: propose nothing that the user has in `log`.
    """
    histories = log.liked_histories(config.environment.state_size)
    tie_order = np.random.default_rng(config.seed).permutation(log.num_items)
    count = min(count, log.num_items - 1)
    rows = []
    for batch in batches(np.arange(log.num_users, dtype=np.int32), log.num_items):
        is_candidate = catalogue(log, batch, mask_seen=mask_seen)
        scores = candidate_scores(proposer, batch, histories[batch], None, is_candidate)
        dealt = scores[:, tie_order]  # so that ties fall by the tie_order, and not by item id
        best = np.sort(np.argpartition(-dealt, count - 1, axis=1)[:, :count], axis=1)
        value = np.take_along_axis(dealt, best, axis=1)
        order = np.argsort(-value, axis=1, kind="stable")
        items = tie_order[np.take_along_axis(best, order, axis=1)]
        is_there = np.isfinite(np.take_along_axis(value, order, axis=1))
        rows.append(np.where(is_there, items, PADDING).astype(np.int32))
    return np.concatenate(rows)


def recall_of(proposals: np.ndarray, test: Interactions, *, liked_only: bool) -> float:
    """How much of what the test asks for is proposed: the mean over users of each one's share.

    Args:
        proposals: [U, K] item ids.
        test: what is asked for.
        liked_only: of these rows, those rated `RELEVANT_FROM` or more.
    """
    if liked_only:
        test = test.where(test.rating >= RELEVANT_FROM)
    is_found = (proposals[test.user] == test.item[:, None]).any(axis=1)  # [R]
    counts = test.counts()
    found = np.bincount(test.user, is_found, minlength=test.num_users)
    return float((found[counts > 0] / counts[counts > 0]).mean())


def ceilings(
    methods: Mapping[str, Recommender], judged: Task, protocols: Container[str]
) -> dict[str, dict[str, Ceiling]]:
    """By protocol over the catalogue and by method, what those that re-rank cannot exceed.

    Args:
        methods: by name, those that do not re-rank among them.
        judged: what is asked for.
        protocols: those that are judged by.
    """
    reranked = {name: each for name, each in methods.items() if isinstance(each, Reranked)}
    return {
        protocol: {
            name: Ceiling(
                proposer=each.name,
                k=each.proposals.shape[1],
                recall=recall_of(each.proposals, judged.test, liked_only=is_liked),
            )
            for name, each in reranked.items()
        }
        for protocol, is_liked in (("full", False), ("ranked", True))
        if protocol in protocols and reranked
    }


def _takes_seed(name: str) -> bool:
    return "seed" in inspect.signature(BASELINES[name]).parameters


def _fitted(name: str, log: Interactions, seed: int) -> Recommender:
    logger.info("fitting %s, to propose", name)
    made = BASELINES[name](seed=seed) if _takes_seed(name) else BASELINES[name]()
    return made.fit(log)


@functools.lru_cache(maxsize=1)  # a run exports by it, and is then judged beside it
def _final_fit(judged: Task, name: str, seed: int) -> Recommender:
    return _fitted(name, judged.train, seed)
