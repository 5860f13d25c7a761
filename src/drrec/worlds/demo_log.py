"""Years of watching in a made-up world: who saw what when, and rated it how."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from drrec.worlds.world import World

DRIFT = 0.015
"""How far a taste for a kind walks from one film to the next, standard deviation."""
NOISE = 0.15
"""Of a rating, as a reward, around what the film really pleased."""
PICKINESS = 1.5
"""How much appeal decides what is watched; fame and chance decide the rest."""
NEW_EVENING = 0.33
"""Chance that a film opens another evening, to which nobody comes bored."""
START = 1_577_836_800  # 1 January 2020
MONTHS_APART = 12 * 30 * 86_400
FEWEST, MOST, TYPICAL = 20, 150, 55


class Log(NamedTuple):
    """R ratings in the order in which each user gave them."""

    user: np.ndarray  # [R] int, row of the world
    item: np.ndarray  # [R] int, row of the world
    rating: np.ndarray  # [R] int, 1 to 5
    timestamp: np.ndarray  # [R] int, seconds since 1970


def watched(world: World, rng: np.random.Generator) -> tuple[Log, World]:
    """Let every user watch some films, each at most once, and the tastes walk.

    A film is chosen by its appeal, by a fame with a long tail, and by chance. Boredom holds for an
    evening. A rating is 3 + 2 (reward + noise), rounded and clipped to 1 … 5.

    Returns:
        The ratings, and the world with the tastes that the users end with.
    """
    num_users, num_items = len(world.users), len(world.items)
    length = _lengths(rng, num_users, num_items)
    fame = -0.7 * np.log(rng.permutation(num_items) + 5)  # [I']
    still = world.appeal() - world.taste[:, world.kind]  # what does not drift
    taste = world.taste.copy()
    was_seen = np.zeros((num_users, num_items), bool)
    recent = np.full((num_users, int(world.window)), -1)  # kinds, −1 for none
    boredom = np.pad(world.boredom, ((0, 1), (0, 0)))  # row −1 takes nothing
    user = np.arange(num_users)
    columns = []
    for turn in range(length.max()):
        taste += DRIFT * rng.normal(size=taste.shape) * (turn < length)[:, None]
        recent[rng.random(num_users) < NEW_EVENING] = -1
        appeal = taste[:, world.kind] + still
        wish = PICKINESS * appeal + fame + rng.gumbel(size=appeal.shape)
        item = np.where(was_seen, -np.inf, wish).argmax(axis=1)
        taken = boredom[recent, world.kind[item][:, None]].sum(axis=1)
        reward = appeal[user, item] - taken + rng.normal(0, NOISE, num_users)
        opens = (recent == -1).all(axis=1)
        pause = np.where(opens, rng.exponential(4 * 86_400, num_users), 0)
        pause += rng.uniform(5e3, 9e3, num_users)
        columns.append((item, np.clip(np.rint(3 + 2 * reward), 1, 5), pause))
        was_seen[user, item] = True
        recent = np.concatenate([recent[:, 1:], world.kind[item][:, None]], axis=1)
    item, rating, pause = (np.stack(column, axis=1) for column in zip(*columns, strict=True))
    time = START + rng.integers(0, MONTHS_APART, num_users)[:, None] + pause.cumsum(axis=1)
    kept = np.arange(length.max()) < length[:, None]  # [U', turns]
    row = np.broadcast_to(user[:, None], kept.shape)
    log = Log(row[kept], item[kept], rating[kept].astype(int), time[kept].astype(int))
    return log, dataclasses.replace(world, taste=taste)


def _lengths(rng: np.random.Generator, num_users: int, num_items: int) -> np.ndarray:
    """[U'] how many films each watches, most of them about `TYPICAL`."""
    drawn = TYPICAL * np.exp(0.45 * rng.normal(size=num_users))
    return np.clip(drawn, FEWEST, min(MOST, num_items // 2)).astype(int)
