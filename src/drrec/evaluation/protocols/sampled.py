"""The `sampled` protocol: the one hidden item among a few items drawn at random.

Sampled metrics can rank methods otherwise than the whole catalogue does (Krichene and Rendle 2020):
they stand here to be compared with published tables, and choose nothing.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.errors import InputError
from drrec.evaluation.metrics import measured
from drrec.evaluation.protocols.candidates import PerUser, collected, top_list
from drrec.evaluation.protocols.chance import expected
from drrec.evaluation.protocols.protocol import Protocol
from drrec.scoring import candidate_batches, candidate_scores, openings, untaken
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.types import Scorer

CUTS = {99: (1, 5, 10), 9: (1, 3, 5)}
"""Lengths of lists by the number of negatives of the two protocols."""

SAMPLED_METRICS = tuple(f"{metric}@{cut}" for metric in ("hr", "ndcg", "mrr") for cut in CUTS[99])
SAMPLED_9_METRICS = tuple(f"{metric}@{cut}" for metric in ("hr", "ndcg", "mrr") for cut in CUTS[9])

NUM_NEGATIVES = 99
"""The customary number of items beside the hidden one; 9 and 100 are found, too."""


class Draws(NamedTuple):
    """What each user's hidden item stands among, in an order that says nothing."""

    users: np.ndarray  # [U'] int32
    items: np.ndarray  # [U', 1 + negatives] int32
    place: np.ndarray  # [U'] column of the hidden item


def sampled(
    recommender: Scorer,
    train: Interactions,
    test: Interactions,
    *,
    state_size: int = 10,
    seed: int = 0,
    num_negatives: int = NUM_NEGATIVES,
    metrics: tuple[str, ...] = SAMPLED_METRICS,
) -> PerUser:
    """Rank the hidden item among `num_negatives` items that the user does not have.

    Args:
        recommender: a fitted one.
        train: where histories come from, and what no user is asked about again.
        test: one row per user, whatever its rating.
        state_size: L, the length of a history.
        seed: of the draw of the negatives and of their order, which decides between equal scores.
            All methods meet the same.
        num_negatives: how many are drawn for each user, uniformly and none twice.
        metrics: what is measured.

    Returns:
        `metrics` for each user with a test item and so many items left to draw from, and
        the items on top.

    Raises:
        InputError: a user has several test items, no user takes part, a score is not finite, or
            `num_negatives` is not positive.
    """
    draws = drawn(train, test, seed=seed, num_negatives=num_negatives)
    histories = openings(recommender, train, state_size)
    parts, lists = [], []
    counts = np.full(len(draws.users), draws.items.shape[1])
    for rows in candidate_batches(np.arange(len(draws.users)), counts):
        users, items, own = draws.users[rows], draws.items[rows], draws.place[rows, None]
        is_item = np.ones(items.shape, bool)
        scores = candidate_scores(recommender, users, histories[users], items, is_item)
        # Stable on shuffled columns: ties fall by the shuffle.
        order = np.argsort(-scores, axis=1, kind="stable")
        hits = (order == own)[:, : max(CUTS[99])]  # [B, K]
        parts.append(measured(hits, np.ones(len(rows), int), metrics))
        lists.append(top_list(np.take_along_axis(items, order, axis=1), is_item))
    return collected(draws.users, parts, lists)


def sampled_chance(
    train: Interactions,
    test: Interactions,
    *,
    num_negatives: int = NUM_NEGATIVES,
    cuts: tuple[int, ...] = CUTS[99],
) -> PerUser:
    """What a random order is expected to reach in `sampled`, user by user."""
    users = _taken(train, test, num_negatives)[0]
    size = np.full(len(users), num_negatives + 1)
    level = expected(size, np.ones_like(size), cuts)
    names = [f"{metric}@{cut}" for metric in ("hr", "ndcg", "mrr") for cut in cuts]
    return collected(users, [{name: level[name] for name in names}] if len(users) else [])


def drawn(train: Interactions, test: Interactions, *, seed: int, num_negatives: int) -> Draws:
    """Each user's hidden item and negatives; see `sampled`."""
    users, taken = _taken(train, test, num_negatives)
    rng = np.random.default_rng(seed)
    items = np.empty((len(users), num_negatives + 1), np.int32)
    for row, (user, own) in enumerate(zip(users, taken, strict=True)):
        rank = rng.choice(test.num_items - len(own), num_negatives, replace=False, shuffle=False)
        negatives = untaken(own, rank)
        items[row] = test.item[test.offsets[user]], *negatives
    order = rng.permuted(np.tile(np.arange(num_negatives + 1), (len(users), 1)), axis=1)
    return Draws(users, np.take_along_axis(items, order, axis=1), order.argmin(axis=1))


def _taken(
    train: Interactions, test: Interactions, num_negatives: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """[U'] users who take part, and what may not be drawn for each: padding, seen, the hidden."""
    if num_negatives < 1:
        raise InputError(
            f"Expected at least one negative for each user. Received: {num_negatives}. "
            "Published tables draw 9, 99 or 100."
        )
    if (test.counts() > 1).any():
        raise InputError(
            "Expected at most one test item for each user. Received: several. "
            "The sampled protocol goes with the leave_one_out split."
        )
    everyone = np.arange(test.num_users)
    user = np.concatenate([everyone, train.user, test.user]).astype(np.int64)
    item = np.concatenate([np.full_like(everyone, PADDING), train.item, test.item])
    pair = np.unique(user * test.num_items + item)
    taken = np.split(pair % test.num_items, np.searchsorted(pair // test.num_items, everyone[1:]))
    num_left = test.num_items - np.array([len(each) for each in taken])
    users = np.flatnonzero((test.counts() == 1) & (num_left >= num_negatives)).astype(np.int32)
    return users, [taken[user] for user in users]


SAMPLED = Protocol(
    run=sampled,
    metrics=SAMPLED_METRICS,
    primary="ndcg@10",
    columns=("hr@1", "hr@5", "hr@10", "ndcg@10", "mrr@10"),
    chance=sampled_chance,
    any_rating=True,
)
SAMPLED_9 = Protocol(
    run=functools.partial(sampled, num_negatives=9, metrics=SAMPLED_9_METRICS),
    metrics=SAMPLED_9_METRICS,
    primary="hr@1",
    columns=("hr@1", "hr@3", "ndcg@3", "hr@5", "ndcg@5"),
    chance=functools.partial(sampled_chance, num_negatives=9, cuts=CUTS[9]),
    any_rating=True,
)
