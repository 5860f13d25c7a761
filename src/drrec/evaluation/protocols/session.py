"""The `session` protocol: whole sessions with users who please and tire, and what could be had."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.data.histories import pushed
from drrec.errors import InputError
from drrec.evaluation.optimum import (
    bayesian_rewards,
    best_rewards,
    bored_reward,
    greedy_rewards,
    played,
)
from drrec.evaluation.protocols.candidates import PerUser, collected
from drrec.evaluation.protocols.protocol import Protocol
from drrec.scoring import batches, candidate_scores, catalogue, openings

if TYPE_CHECKING:
    from drrec.data.dataset import Dataset
    from drrec.data.interactions import Interactions
    from drrec.evaluation.optimum import Pays
    from drrec.types import Scorer
    from drrec.worlds.world import Truth

SESSION_STEPS = 20
"""T, films in a session."""

SESSION_METRICS = ("reward", "mean_reward", "regret", "share")

BOUNDS = ("greedy_truth", "bayesian", "optimum")
"""Rows of the table that know the truth: nobody's baselines."""


def session(
    recommender: Scorer,
    train: Interactions,
    truth: Truth,
    *,
    best: np.ndarray,
    state_size: int = 10,
    seed: int = 0,
    steps: int = SESSION_STEPS,
) -> PerUser:
    """Show each user the film with the best score, `steps` times, none twice.

    An item whose reward is positive is pushed onto the history, or every item with its reward if
    the recommender reads rewards. Whoever does not use histories is asked once.

    Args:
        recommender: a fitted one.
        train: what histories start from: each user's last liked items.
        truth: what items really please.
        best: [U] the largest reward there is, from `optimum.best_rewards`.
        state_size: L, the length of a history.
        seed: of the shuffle that breaks ties.
        steps: T.

    Returns:
        `SESSION_METRICS` for each user.

    Raises:
        InputError: a score is not finite.
    """
    users = np.arange(train.num_users, dtype=np.int32)
    histories = openings(recommender, train, state_size)
    tie_order = np.random.default_rng(seed).permutation(train.num_items)
    pays = functools.partial(bored_reward, truth)
    reward = []
    for batch in batches(users, train.num_items):
        is_item = catalogue(train, batch, mask_seen=False)
        _, paid = sessions_of(recommender, pays, batch, histories[batch], is_item, tie_order, steps)
        reward.append(paid.sum(axis=1))
    return measured(users, np.concatenate(reward), best, steps)


def bounds(truth: Truth, best: np.ndarray, steps: int = SESSION_STEPS) -> dict[str, PerUser]:
    """The rows `BOUNDS`: greed that knows the truth, a planner that has to learn each user's taste
    from the session, and the best there is, `best [U]`."""
    users = np.arange(len(best), dtype=np.int32)
    rewards = greedy_rewards(truth, users, steps), bayesian_rewards(truth, users, steps), best
    return {
        name: measured(users, reward, best, steps)
        for name, reward in zip(BOUNDS, rewards, strict=True)
    }


def measured(users: np.ndarray, reward: np.ndarray, best: np.ndarray, steps: int) -> PerUser:
    """`SESSION_METRICS` of total rewards [U]; the share is NaN where nothing is to be had."""
    reward, best = reward.astype(np.float64), best.astype(np.float64)
    share = np.divide(reward, best, out=np.full(len(best), np.nan), where=best > 0)
    values = (reward, reward / steps, best - reward, share)
    return collected(users, [dict(zip(SESSION_METRICS, values, strict=True))])


def sessions_of(
    recommender: Scorer,
    pays: Pays,
    users: np.ndarray,
    histories: np.ndarray,
    is_item: np.ndarray,
    tie_order: np.ndarray,
    steps: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Show each user the best of `is_item [B, I]`, `steps` times, none twice.

    Args:
        recommender: a fitted one, asked before each item if it uses histories, or else once.
        pays: what items pay, see `optimum.Pays`.
        users: [B] int32.
        histories: [B, L] what sessions open with; see `data.histories.pushed`.
        is_item: [B, I] bool, what may be shown. A row with fewer than T is shown others in the end.
        tie_order: [I] in which order equal scores fall.
        steps: T.

    Returns:
        [B, T] the items shown and [B, T] what they paid.

    Raises:
        InputError: a score is not finite.
    """
    scores = candidate_scores(recommender, users, histories, None, is_item)
    rank = np.empty_like(tie_order)
    rank[tie_order] = np.arange(len(tie_order))

    def best_unshown(shown: np.ndarray, paid: np.ndarray) -> np.ndarray:
        nonlocal histories, scores
        if shown.shape[1] and recommender.uses_history:
            histories = pushed(histories, shown[:, -1], paid[:, -1])
            scores = candidate_scores(recommender, users, histories, None, is_item)
        np.put_along_axis(scores, shown, -np.inf, axis=1)
        return _first_of_best(scores, rank)

    return played(pays, users, steps, best_unshown)


def _first_of_best(scores: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """[B] the column of the best of `scores [B, I]`, of equals that of the lowest `rank [I]`."""
    row, item = np.nonzero(scores == scores.max(axis=1, keepdims=True))
    order = np.lexsort((rank[item], row))
    row, item = row[order], item[order]
    return item[np.flatnonzero(np.diff(row, prepend=-1))]


def _inputs(test: Dataset) -> tuple[Truth, dict[str, Any]]:
    if test.truth is None:
        raise InputError(
            "Expected made-up data, such as demo, for the session protocol. Received: "
            f"{test.name}, of which nobody knows what lies behind it. Choose another protocol."
        )
    users = np.arange(test.interactions.num_users)
    return test.truth, {"best": best_rewards(test.truth, users, SESSION_STEPS)}


SESSION = Protocol(
    run=session,
    metrics=SESSION_METRICS,
    primary="reward",
    columns=("reward", "mean_reward", "share"),
    bounds=bounds,
    inputs=_inputs,
)
