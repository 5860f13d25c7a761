"""The `drifting` protocol: sessions in a drifting world, and what is missing to the best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drrec.evaluation.optimum import looked_up, played
from drrec.evaluation.protocols.candidates import PerUser
from drrec.evaluation.protocols.protocol import Protocol
from drrec.evaluation.protocols.session import SESSION_METRICS, measured, sessions_of
from drrec.scoring import batches, catalogue, openings
from drrec.worlds.drifting import best_sessions, earned

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.types import Scorer
    from drrec.worlds.drifting import DriftingWorld


def drifting(
    recommender: Scorer,
    train: Interactions,
    world: DriftingWorld,
    *,
    best: np.ndarray,
    state_size: int = 10,
    seed: int = 0,
) -> PerUser:
    """Show each user the item with the best score, at every step of the world, none twice.

    Args:
        recommender: a fitted one.
        train: what histories start from; an item of positive reward is pushed onto them.
        world: what items pay.
        best: [U] the largest reward there is, from `most_rewards`.
        state_size: L, the length of a history.
        seed: of the shuffle that breaks ties.

    Returns:
        `session.SESSION_METRICS` for each user.

    Raises:
        InputError: a score is not finite.
    """
    users = np.arange(train.num_users, dtype=np.int32)
    histories = openings(recommender, train, state_size)
    tie_order = np.random.default_rng(seed).permutation(train.num_items)
    pays, shown = looked_up(world.pays), []
    for batch in batches(users, train.num_items):
        is_item = catalogue(train, batch, mask_seen=False)
        opening = histories[batch]
        shown.append(
            sessions_of(recommender, pays, batch, opening, is_item, tie_order, world.steps)[0]
        )
    return measured(users, earned(world, users, np.concatenate(shown)), best, world.steps)


def most_rewards(world: DriftingWorld) -> np.ndarray:
    """[U] float64 the largest total reward of each user's session, exactly."""
    users = np.arange(len(world.user))
    return earned(world, users, best_sessions(world, users))


def world_bounds(world: DriftingWorld, best: np.ndarray) -> dict[str, PerUser]:
    """Two of `session.BOUNDS`: greed that knows the truth, and the best there is, `best [U]`."""
    users = np.arange(len(best), dtype=np.int32)

    def greedy(shown: np.ndarray, _: np.ndarray) -> np.ndarray:
        pays = world.pays(users, shown)
        pays[:, 0] = -np.inf
        np.put_along_axis(pays, shown, -np.inf, axis=1)
        return pays.argmax(axis=1)

    items, _ = played(looked_up(world.pays), users, world.steps, greedy)
    rewards = {"greedy_truth": earned(world, users, items), "optimum": best}
    return {name: measured(users, reward, best, world.steps) for name, reward in rewards.items()}


DRIFTING = Protocol(
    run=drifting,
    metrics=SESSION_METRICS,
    primary="reward",
    columns=("reward", "regret", "share"),
    bounds=world_bounds,
)
