"""A tiny world in which a policy's value is known by going through all that can happen."""

from __future__ import annotations

import numpy as np
from tests.evaluation.stubs import Stub
from tests.evaluation.worlds import random_truth, reward_of

from drrec.evaluation.offpolicy import SoftmaxPolicy, evidence_of, played_log
from drrec.evaluation.offpolicy.played import tabular

NUM_USERS, NUM_ITEMS, STEPS = 2, 4, 2
TRUTH = random_truth(8, num_users=NUM_USERS, kinds=[0, 1, 0, 1], num_kinds=2, window=1)
TASTE = np.array([[0.0, 1.0, 2.0, 4.0, 3.0], [0.0, 5.0, 1.0, 2.0, 3.0]])


def policy(sign: float, temperature: float) -> SoftmaxPolicy:
    """Goes by TASTE, more by its own where an item has been liked."""

    def score(users, histories, items):
        likes = (histories > 0).sum(axis=1, keepdims=True)
        return sign * TASTE[users[:, 0]][:, items[0]] + likes * np.sin(items * 2.0 + users)

    return SoftmaxPolicy(Stub(score, NUM_ITEMS + 1, uses_history=True), temperature)


BEHAVIOUR, TARGET = policy(-1, 2.0), policy(1, 1.0)


def chances(asked: SoftmaxPolicy, user: int, likes: int, left: list[int]) -> np.ndarray:
    """The softmax of standardised scores, in plain numbers."""
    sign = 1 if asked is TARGET else -1
    scores = np.array([sign * TASTE[user, i] + likes * np.sin(i * 2.0 + user) for i in left])
    weight = np.exp((scores - scores.mean()) / scores.std() / asked.temperature)
    return weight / weight.sum()


def value(asked: SoftmaxPolicy, user: int, patience: int | None, shown: tuple = ()) -> float:
    """The expected reward from here on, over all that can be shown."""
    paid = reward_of(TRUTH, user, shown)
    if len(shown) == STEPS or (patience and len(paid) >= patience and max(paid[-patience:]) < 0):
        return 0.0
    left = [i for i in range(1, NUM_ITEMS + 1) if i not in shown]
    total = 0.0
    for item, chance in zip(
        left, chances(asked, user, sum(p > 0 for p in paid), left), strict=True
    ):
        after = (*shown, item)
        reward = reward_of(TRUTH, user, after)[-1]
        total += chance * (reward + value(asked, user, patience, after))
    return total


def describe(users, histories, shown):
    """A value for each user, item shown first, and item."""
    first = shown[:, 0] if shown.shape[1] else np.zeros(len(users), int)
    return tabular(users * (NUM_ITEMS + 1) + first, NUM_USERS * (NUM_ITEMS + 1), NUM_ITEMS + 1)


def logged(seed: int, num_sessions: int, patience: int | None = 1):
    """Sessions of BEHAVIOUR with users drawn evenly."""
    users = np.random.default_rng(seed).integers(0, NUM_USERS, num_sessions).astype(np.int32)
    openings = np.zeros((num_sessions, 3), np.int32)
    return played_log(TRUTH, BEHAVIOUR, users, openings, STEPS, patience=patience, seed=seed + 1000)


def evidence(seed: int, num_sessions: int, asked: SoftmaxPolicy = TARGET):
    """What such a log says of a policy."""
    return evidence_of(logged(seed, num_sessions), asked, NUM_ITEMS + 1, describe)
