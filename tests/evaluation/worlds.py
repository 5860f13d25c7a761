"""Tiny worlds, and sessions in them told in plain Python."""

from __future__ import annotations

import itertools

import numpy as np

from drrec.data.interactions import Interactions
from drrec.worlds.world import Truth


def random_truth(seed: int, *, num_users: int, kinds: list[int], num_kinds: int, window: int):
    """A truth of random numbers for items 1 … of these `kinds`."""
    generator = np.random.default_rng(seed)
    appeal = generator.normal(0.3, 0.5, (num_users, len(kinds) + 1)).astype(np.float32)
    boredom = np.zeros((num_kinds + 1, num_kinds + 1), np.float32)
    boredom[:num_kinds, :num_kinds] = generator.uniform(-0.1, 0.6, (num_kinds, num_kinds))
    return Truth(appeal, np.array([num_kinds, *kinds], np.int32), boredom, window)


def reward_of(truth: Truth, user: int, items: tuple[int, ...]) -> list[float]:
    """What each of `items`, shown in this order, pays."""
    paid = []
    for place, item in enumerate(items):
        reward = float(truth.appeal[user, item])
        for earlier in items[max(0, place - truth.window) : place]:
            reward -= float(truth.boredom[truth.kind[earlier], truth.kind[item]])
        paid.append(reward)
    return paid


def best_by_trying_all(truth: Truth, user: int, steps: int) -> float:
    """The largest total reward over every order of every choice of items."""
    items = range(1, len(truth.kind))
    return max(sum(reward_of(truth, user, p)) for p in itertools.permutations(items, steps))


def log_of_all(num_users: int, num_items: int, seed: int = 0) -> Interactions:
    """Every user rates every item, at random."""
    users, items = np.divmod(np.arange(num_users * num_items), num_items)
    ratings = np.random.default_rng(seed).integers(1, 6, len(users)).astype(np.float32)
    return Interactions.from_raw(
        users.astype(str), items.astype(str), ratings, np.arange(len(users))
    )
