"""The `rated` protocol: DRR's Algorithm 2, ranking what the user is known to have rated."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.data.histories import pushed
from drrec.data.interactions import LIKED_ABOVE
from drrec.evaluation.metrics import measured
from drrec.evaluation.protocols.candidates import PerUser, collected, top_list
from drrec.evaluation.protocols.protocol import Protocol
from drrec.scoring import candidate_batches, candidate_scores, openings
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.types import Scorer

RELEVANT_FROM = 4.0
"""A test rating from here on is relevant."""

NUM_TURNS = 10
"""How many items a policy picks one at a time, the logged rating moving its state each time."""

RATED_METRICS = ("precision@5", "ndcg@5", "precision@10", "ndcg@10", "map")


class Slates(NamedTuple):
    """The test items of B users, in an order that says nothing."""

    items: np.ndarray  # [B, C] int32, 0 = padding
    ratings: np.ndarray  # [B, C] float32, 0 for padding


def rated(
    recommender: Scorer,
    train: Interactions,
    test: Interactions,
    *,
    state_size: int = 10,
    seed: int = 0,
    min_items: int = 10,
) -> PerUser:
    """Rank each user's own test items (Liu et al. 2018, Algorithm 2).

    A method that uses the history picks `NUM_TURNS` items one at a time; a rating above
    `LIKED_ABOVE` pushes the item onto the history, or each with its reward if the method reads
    them. The rest follows in the order of the last turn's scores, so that MAP has a whole list.
    Other methods rank once.

    Args:
        recommender: a fitted one.
        train: what histories start from: each user's last liked items.
        test: what is ranked.
        state_size: L, the length of a history.
        seed: of the shuffle that breaks ties.
        min_items: users with fewer test items, or no relevant one, are left out.

    Returns:
        `RATED_METRICS` for each user who takes part, and the items picked first.

    Raises:
        InputError: no user takes part, or a score is not finite.
    """
    users = eligible_users(test, min_items)
    rows = _shuffled_rows(test, seed)
    histories = openings(recommender, train, state_size)
    order_of = _order_by_turns if recommender.uses_history else _order_at_once
    parts, lists = [], []
    counts = np.maximum(test.counts()[users], NUM_TURNS)
    for batch in candidate_batches(users, counts):
        slates = _slates(test, rows, batch)
        order = order_of(recommender, batch, histories[batch], slates)
        relevant = np.take_along_axis(slates.ratings, order, axis=1) >= RELEVANT_FROM  # [B, C]
        parts.append(measured(relevant, relevant.sum(axis=1), RATED_METRICS))
        items = np.take_along_axis(slates.items, order, axis=1)
        lists.append(top_list(items, items != PADDING))
    return collected(users, parts, lists)


def eligible_users(test: Interactions, min_items: int) -> np.ndarray:
    """[U'] users with at least `min_items` test items of which at least one is relevant."""
    is_relevant = test.rating >= RELEVANT_FROM
    num_relevant = np.bincount(test.user[is_relevant], minlength=test.num_users)
    return np.flatnonzero((test.counts() >= min_items) & (num_relevant > 0)).astype(np.int32)


def _shuffled_rows(test: Interactions, seed: int) -> np.ndarray:
    """[R] row numbers, still user by user, shuffled within each."""
    rows = np.random.default_rng(seed).permutation(len(test))
    return rows[np.argsort(test.user[rows], kind="stable")]


def _slates(test: Interactions, rows: np.ndarray, users: np.ndarray) -> Slates:
    counts = test.counts()[users]
    # MAP's list may be short but precision@10 needs ten places.
    columns = np.arange(max(counts.max(), NUM_TURNS))
    is_item = columns < counts[:, None]  # [B, C]
    picked = rows[np.where(is_item, test.offsets[users][:, None] + columns, 0)]
    return Slates(
        items=np.where(is_item, test.item[picked], PADDING).astype(np.int32),
        ratings=np.where(is_item, test.rating[picked], 0).astype(np.float32),
    )


def _order_at_once(
    recommender: Scorer, users: np.ndarray, histories: np.ndarray, slates: Slates
) -> np.ndarray:
    is_item = slates.items != PADDING
    scores = candidate_scores(recommender, users, histories, slates.items, is_item)
    # Stable on shuffled columns: ties fall by the shuffle, and padding (−inf) comes last.
    return np.argsort(-scores, axis=1, kind="stable")


def _order_by_turns(
    recommender: Scorer, users: np.ndarray, histories: np.ndarray, slates: Slates
) -> np.ndarray:
    is_item = slates.items != PADDING
    turn = np.full(slates.items.shape, NUM_TURNS)  # [B, C], when each item was picked
    for step in range(NUM_TURNS):
        scores = candidate_scores(recommender, users, histories, slates.items, is_item)
        is_left = is_item & (turn == NUM_TURNS)
        active = np.flatnonzero(is_left.any(axis=1))
        picked = np.where(is_left, scores, -np.inf).argmax(axis=1)[active]
        turn[active, picked] = step
        items, ratings = slates.items[active, picked], slates.ratings[active, picked]
        histories = histories.copy()
        histories[active] = pushed(histories[active], items, (ratings - LIKED_ABOVE) / 2)
    return np.lexsort((-scores, turn), axis=1)


RATED = Protocol(
    run=rated,
    metrics=RATED_METRICS,
    primary="ndcg@5",
    keeps_lists=True,
    predicts_ratings=True,
)
COLD_USERS = Protocol(run=rated, metrics=RATED_METRICS, primary="ndcg@10")
