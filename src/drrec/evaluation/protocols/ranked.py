"""The `ranked` protocol: all liked test items of a user among a whole catalogue, or cold items."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from drrec.evaluation.metrics import measured
from drrec.evaluation.protocols.candidates import PerUser, collected, top_list
from drrec.evaluation.protocols.chance import expected
from drrec.evaluation.protocols.protocol import Protocol
from drrec.evaluation.protocols.rated import RELEVANT_FROM
from drrec.evaluation.protocols.topmost import TieNoise, topmost
from drrec.scoring import batches, catalogue, catalogue_scores, openings, seen_items, seen_pairs
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.data.dataset import Dataset
    from drrec.data.interactions import Interactions
    from drrec.types import Scorer

CUTS = (5, 10, 20)
RANKED_METRICS = tuple(
    f"{metric}@{cut}" for metric in ("hr", "ndcg", "recall", "mrr") for cut in CUTS
)

TIE = 1e-6
"""Scores this near, as a share of the user's largest, are equal: float32 cannot tell them apart.

Equal vectors, which all cold items have in a model of ids, do not give equal products: matrix
products add in another order at the end of a block, and ids would decide.
"""


class Slates(NamedTuple):
    """What B users are asked about."""

    is_candidate: np.ndarray  # [B, I] bool
    is_relevant: np.ndarray  # [B, I] bool


def ranked(
    recommender: Scorer,
    train: Interactions,
    test: Interactions,
    *,
    state_size: int = 10,
    seed: int = 0,
    mask_seen: bool = True,
    candidates: np.ndarray | None = None,
) -> PerUser:
    """Rank the catalogue once for each user, and look where the liked test items stand.

    Args:
        recommender: a fitted one.
        train: where histories come from, and what was seen.
        test: rated `RELEVANT_FROM` or more is relevant; the rest counts as any other item.
        state_size: L, the length of a history.
        seed: of the shuffle that breaks ties, one for each user.
        mask_seen: exclude what the user has in `train`.
        candidates: [C] the items to rank, None for the whole catalogue.

    Returns:
        `RANKED_METRICS` for each user with a relevant candidate, and the items on top.

    Raises:
        InputError: no user has one, or a score is not finite.
    """
    relevant, users = _relevant(test, candidates)
    histories = openings(recommender, train, state_size)
    tie_noise = TieNoise(seed, test.num_items)
    is_barred = np.zeros(test.num_items, bool)
    if candidates is not None:
        is_barred = ~np.isin(np.arange(test.num_items), candidates)
    parts, lists, done = [], [], 0
    for batch in batches(users, test.num_items):
        scores = catalogue_scores(recommender, batch, histories[batch])
        rest = scores[:, PADDING + 1 :]
        tie = TIE * np.maximum(rest.max(axis=1), -rest.min(axis=1))[:, None]  # [B, 1]
        asked = seen_pairs(relevant.offsets, relevant.item, batch)
        own = scores[asked]
        scores[:, is_barred] = -np.inf
        if mask_seen:
            scores[seen_pairs(train.offsets, train.item, batch)] = -np.inf
        scores[asked] = own
        # Rows are drawn one after the other: batches do not matter, and all methods share them.
        noise_of = functools.partial(tie_noise.rows, done)
        best = topmost(scores, noise_of, tie, max(CUTS))  # [B, K]
        is_relevant = seen_items(relevant.offsets, relevant.item, batch, test.num_items)
        hits = np.take_along_axis(is_relevant, best, axis=1)
        hits = np.pad(hits, ((0, 0), (0, max(CUTS) - hits.shape[1])))
        parts.append(measured(hits, is_relevant.sum(axis=1), RANKED_METRICS))
        lists.append(top_list(best, np.isfinite(np.take_along_axis(scores, best, axis=1))))
        done += len(batch)
    return collected(users, parts, lists)


def cold_items(
    recommender: Scorer,
    train: Interactions,
    test: Interactions,
    *,
    candidates: np.ndarray,
    state_size: int = 10,
    seed: int = 0,
) -> PerUser:
    """`ranked` among `candidates [C]`, of which `train` knows none; `test` holds rows on them."""
    return ranked(recommender, train, test, state_size=state_size, seed=seed, candidates=candidates)


def chance_level(
    train: Interactions,
    test: Interactions,
    *,
    mask_seen: bool = True,
    candidates: np.ndarray | None = None,
) -> PerUser:
    """What a random order is expected to reach in `ranked`, user by user, without drawing one."""
    relevant, users = _relevant(test, candidates)
    parts = []
    for batch in batches(users, test.num_items):
        slates = _slates(train, relevant, batch, candidates, mask_seen)
        size, num_relevant = slates.is_candidate.sum(axis=1), slates.is_relevant.sum(axis=1)
        parts.append(expected(size, num_relevant, CUTS))
    return collected(users, parts)


def _relevant(test: Interactions, candidates: np.ndarray | None) -> tuple[Interactions, np.ndarray]:
    kept = test.rating >= RELEVANT_FROM
    if candidates is not None:
        kept &= np.isin(test.item, candidates)
    relevant = test.where(kept)
    return relevant, np.flatnonzero(relevant.counts()).astype(np.int32)


def _slates(
    train: Interactions,
    relevant: Interactions,
    users: np.ndarray,
    candidates: np.ndarray | None,
    mask_seen: bool,
) -> Slates:
    is_candidate = catalogue(train, users, mask_seen=mask_seen)
    if candidates is not None:
        is_candidate &= np.isin(np.arange(train.num_items), candidates)
    is_relevant = ~catalogue(relevant, users, mask_seen=True)
    is_relevant[:, PADDING] = False
    return Slates(is_candidate | is_relevant, is_relevant)


_COLUMNS = ("hr@10", "ndcg@10", "recall@20", "mrr@10")

RANKED = Protocol(
    run=ranked,
    metrics=RANKED_METRICS,
    primary="ndcg@10",
    columns=_COLUMNS,
    chance=chance_level,
    keeps_lists=True,
    ceiling="liked",
)


def _inputs(test: Dataset) -> tuple[Interactions, dict[str, Any]]:
    """The test rows of items that nobody is known to have, among all such items of the test."""
    known = np.zeros(0, int) if test.known is None else np.unique(test.known.item)
    is_cold = ~np.isin(test.interactions.item, known)
    asked = test.interactions.where(is_cold)
    return asked, {"candidates": np.unique(asked.item).astype(np.int32)}


COLD_ITEMS = Protocol(
    run=cold_items,
    metrics=RANKED_METRICS,
    primary="ndcg@10",
    columns=_COLUMNS,
    chance=chance_level,
    inputs=_inputs,
)
