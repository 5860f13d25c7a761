"""The `full` protocol: one item of each user is hidden in the whole catalogue."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from drrec.errors import InputError
from drrec.evaluation.metrics import measured
from drrec.evaluation.protocols.candidates import LIST_LENGTH, PerUser, collected, top_list
from drrec.evaluation.protocols.protocol import Protocol
from drrec.evaluation.protocols.topmost import topmost
from drrec.scoring import batches, catalogue_scores, openings, seen_pairs

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.types import Scorer

CUTS = (5, 10, 20)
FULL_METRICS = tuple(f"{metric}@{cut}" for metric in ("hr", "ndcg", "mrr") for cut in CUTS)


def full(
    recommender: Scorer,
    train: Interactions,
    test: Interactions,
    *,
    state_size: int = 10,
    seed: int = 0,
    mask_seen: bool = True,
) -> PerUser:
    """Rank the whole catalogue and look where the one test item of each user stands.

    Args:
        recommender: a fitted one.
        train: where histories come from, and what was seen.
        test: one row per user, whatever its rating.
        state_size: L, the length of a history.
        seed: of the draw that breaks ties.
        mask_seen: exclude what the user has in `train`; published tables of sequential models
            often do not.

    Returns:
        `FULL_METRICS` for each user with a test item, and the items on top.

    Raises:
        InputError: a user has several test items, no user has one, or a score is not finite.
    """
    if (test.counts() > 1).any():
        raise InputError(
            "Expected at most one test item for each user. Received: several. "
            "The full protocol goes with the leave_one_out split."
        )
    histories = openings(recommender, train, state_size)
    # One draw per user, before any score: all methods share it, and batches do not matter.
    rng = np.random.default_rng(seed)
    tie_noise, tie_order = rng.random(test.num_users), rng.permutation(test.num_items)
    parts, lists = [], []
    for batch in batches(test.user, test.num_items):
        target = test.item[test.offsets[batch]]
        barred = None
        if mask_seen:
            row, item = seen_pairs(train.offsets, train.item, batch)
            is_other = item != target[row]
            barred = row[is_other], item[is_other]
        scores = catalogue_scores(recommender, batch, histories[batch], barred)
        place = places(scores, target, tie_noise[batch])
        hits = place[:, None] == np.arange(max(CUTS))  # [B, K]
        parts.append(measured(hits, np.ones(len(batch), int), FULL_METRICS))
        lists.append(_listed(scores, target, place, tie_order))
    return collected(test.user, parts, lists)


def places(scores: np.ndarray, target: np.ndarray, tie_noise: np.ndarray) -> np.ndarray:
    """The place of each target, 0 at the top.

    Among t others of equal score the target stands at ⌊noise · (t + 1)⌋, which is where a shuffle
    would put it, without sorting the catalogue.

    Args:
        scores: [B, C], −inf for what is not ranked.
        target: [B] column of the target.
        tie_noise: [B] uniform in [0, 1).

    Returns:
        [B] int64.
    """
    own = np.take_along_axis(scores, target[:, None].astype(np.intp), axis=1)  # [B, 1]
    num_equal = (scores == own).sum(axis=1)  # the target itself included
    return (scores > own).sum(axis=1) + np.floor(tie_noise * num_equal).astype(np.int64)


def _listed(
    scores: np.ndarray, target: np.ndarray, place: np.ndarray, tie_order: np.ndarray
) -> np.ndarray:
    """[B, LIST_LENGTH] best items, each target at its `place [B]`, others by `tie_order [I]`.

    `scores [B, I]` are written to.
    """
    np.put_along_axis(scores, target[:, None].astype(np.intp), -np.inf, axis=1)
    tie_noise = tie_order / len(tie_order)
    best = topmost(
        scores,
        lambda rows: np.broadcast_to(tie_noise, (len(rows), len(tie_noise))),
        np.zeros((len(scores), 1)),
        LIST_LENGTH,
    )  # [B, K]
    is_ranked = np.isfinite(np.take_along_axis(scores, best, axis=1))
    listed = top_list(best, is_ranked)
    column = np.arange(LIST_LENGTH)
    below = np.pad(listed[:, :-1], ((0, 0), (1, 0)))  # moved down by one place
    listed = np.where(column < place[:, None], listed, below)
    return np.where(column == place[:, None], target[:, None], listed).astype(np.int32)


_COLUMNS = ("hr@10", "ndcg@10", "mrr@10")

FULL = Protocol(
    run=full,
    metrics=FULL_METRICS,
    primary="ndcg@10",
    columns=_COLUMNS,
    keeps_lists=True,
    any_rating=True,
    ceiling="any",
)
UNMASKED = Protocol(
    run=functools.partial(full, mask_seen=False),
    metrics=FULL_METRICS,
    primary="ndcg@10",
    columns=_COLUMNS,
)
