"""Baselines that an agent builds on: what they propose to each user, for it to re-rank."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.errors import InputError, shown
from drrec.registry import BASELINES, CONTENT_BASELINES, LANGUAGE_MODELS
from drrec.scoring import batches, candidate_scores, catalogue
from drrec.types import PADDING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drrec.data.interactions import Interactions
    from drrec.features.store import Modality
    from drrec.types import Scorer

logger = logging.getLogger(__name__)


def check_proposer(name: str) -> None:
    """See that there is such a baseline, if one is named.

    Raises:
        InputError: there is not.
    """
    if name and name not in {*BASELINES, *LANGUAGE_MODELS}:
        raise InputError(
            f"Expected a baseline for --propose. Received: {shown(name)}. "
            f"There are: {', '.join([*BASELINES, *LANGUAGE_MODELS])}."
        )


def prefix_proposals(config: Any, known: Interactions) -> np.ndarray | None:
    """[U, K] what is proposed to those who have no more than `known`, for sessions to show.

    None where nothing is proposed: sessions show what they show without.
    """
    settings = config.environment.proposals
    if not settings.propose:
        return None
    proposer = fitted_baseline(settings.propose, config, known)
    return proposals_of(proposer, known, settings.propose_k, config, mask_seen=True)


def final_proposals(config: Any, train: Interactions, proposer: Scorer) -> np.ndarray:
    """[U, K] what is proposed after all of `train`; of seen items where they come again."""
    count = config.environment.proposals.propose_k
    return proposals_of(proposer, train, count, config, mask_seen=not train.has_repeats)


def fitted_baseline(
    name: str, config: Any, log: Interactions, features: Mapping[str, Modality] | None = None
) -> Any:
    """A baseline with the settings that were tuned, if any, fitted on `log`."""
    logger.info("fitting %s, for the agent", name)
    settings = {"seed": config.seed} | getattr(config, "tuned", {}).get(name, {})
    for registry in (BASELINES, LANGUAGE_MODELS):
        if name in registry:
            return registry[name](**settings).fit(log)
    return CONTENT_BASELINES[name](features, **settings).fit(log)


def proposals_of(
    proposer: Scorer, log: Interactions, count: int, config: Any, *, mask_seen: bool
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
