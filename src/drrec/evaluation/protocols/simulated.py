"""Protocols `simulator` and `tiring`: sessions with two made-up populations, who may leave."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from drrec.data.interactions import joined
from drrec.envs.simulator import Boredom
from drrec.evaluation.judges import JUDGES, simulators
from drrec.evaluation.optimum import bored_reward
from drrec.evaluation.protocols.candidates import PerUser, collected
from drrec.evaluation.protocols.protocol import Protocol
from drrec.evaluation.protocols.session import SESSION_STEPS, sessions_of
from drrec.scoring import batches, catalogue, openings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drrec.data.dataset import Dataset
    from drrec.data.interactions import Interactions
    from drrec.types import Scorer
    from drrec.worlds.world import Truth

PATIENCE = 3
"""A user leaves after so many items of negative reward in a row."""

BOREDOM = Boredom(0.3)
"""What a `tiring` user loses by each of the two items before that are of the same kind."""

MOST_PLAYED = 20_000
"""Users who play; of a larger log they are drawn at random.

A session asks for the scores of the whole catalogue before each item.
"""

_MEASURES = ("reward", "mean_reward", "depth", "coverage")

SIMULATOR_METRICS = (
    *_MEASURES,
    *(f"{measure}_{judge}" for judge in JUDGES for measure in _MEASURES),
)
"""Each measure as the mean over the judges, then by judge."""


class Agreement(NamedTuple):
    """Whether two judges say the same of the same methods."""

    kendall_tau: float
    """Tau-b between the two orders of the methods by mean total reward; NaN below two methods."""
    pearson: float
    """Correlation over users of a method's total rewards, the mean over the methods."""


def simulator(
    recommender: Scorer,
    train: Interactions,
    judges: Mapping[str, Truth],
    *,
    state_size: int = 10,
    seed: int = 0,
    steps: int = SESSION_STEPS,
    patience: int = PATIENCE,
) -> PerUser:
    """Show each user the best item that is new to them, one at a time, until they leave.

    Args:
        recommender: a fitted one, which has not seen the judges.
        train: what histories start from, and what is not shown again.
        judges: from `judges.simulators`.
        state_size: L, the length of a history.
        seed: of the shuffle that breaks ties.
        steps: T, items of a session at most.
        patience: items of negative reward in a row after which the user leaves.

    Returns:
        `SIMULATOR_METRICS` for each user who has something new to be shown, or for `MOST_PLAYED` of
        them. The mean of `coverage`
        is the share of the catalogue that anybody was shown: a user's value counts each item as
        1 / the number of users who were shown it, times U / (I − 1).

    Raises:
        InputError: a score is not finite, or nobody has something new to be shown.
    """
    is_left = train.counts() < train.num_items - 1
    users = np.flatnonzero(is_left).astype(np.int32)
    if len(users) > MOST_PLAYED:
        drawn = np.random.default_rng(seed).choice(len(users), MOST_PLAYED, replace=False)
        users = users[np.sort(drawn)]
    by_judge = {}
    for name, truth in judges.items():
        shown, paid = simulated(recommender, train, truth, users, state_size, steps, patience, seed)
        by_judge[name] = _measured(shown, paid, train.num_items)
    metrics = {
        measure: np.mean([values[measure] for values in by_judge.values()], axis=0)
        for measure in _MEASURES
    }
    for name, values in by_judge.items():
        metrics |= {f"{measure}_{name}": values[measure] for measure in _MEASURES}
    return collected(users, [metrics] if len(users) else [])


def simulated(
    recommender: Scorer,
    train: Interactions,
    truth: Truth,
    users: np.ndarray,
    state_size: int,
    steps: int,
    patience: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """[U', T] items shown to `users [U']` and [U', T] what they paid, both 0 after a user left.

    Raises:
        InputError: a score is not finite.
    """
    pays = functools.partial(bored_reward, truth)
    histories = openings(recommender, train, state_size)
    tie_order = np.random.default_rng(seed).permutation(train.num_items)
    shown = np.zeros((len(users), steps), np.int32)
    paid = np.zeros((len(users), steps), np.float32)
    done = 0
    for batch in batches(users, train.num_items):
        rows = slice(done, done + len(batch))
        is_new = catalogue(train, batch, mask_seen=True)
        items, rewards = sessions_of(
            recommender, pays, batch, histories[batch], is_new, tie_order, steps
        )
        # Whom a user left behind is not moved by it, so sessions are played out and then cut.
        depth = np.minimum(depths(rewards, patience), is_new.sum(axis=1))
        is_there = np.arange(steps) < depth[:, None]
        shown[rows], paid[rows] = np.where(is_there, items, 0), np.where(is_there, rewards, 0)
        done += len(batch)
    return shown, paid


def depths(paid: np.ndarray, patience: int) -> np.ndarray:
    """[B, T] rewards -> [B] items shown until `patience` of negative reward in a row, or T.

    Raises:
        ValueError: `patience` is not positive.
    """
    if patience < 1:
        raise ValueError(f"Expected a patience of at least 1 item. Received: {patience}.")
    depth = np.full(len(paid), paid.shape[1])
    for place in reversed(range(patience, paid.shape[1] + 1)):
        depth[(paid[:, place - patience : place] < 0).all(axis=1)] = place
    return depth


def agreement(first: np.ndarray, second: np.ndarray) -> Agreement:
    """How far two judges agree; of each, total rewards [methods, U] of the same users."""
    import scipy.stats  # takes long to import

    tau = scipy.stats.kendalltau(first.mean(axis=1), second.mean(axis=1)).statistic
    a, b = (each - each.mean(axis=1, keepdims=True) for each in (first, second))
    spread = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    varies = spread > 0
    pearson = (a * b).sum(axis=1)[varies] / spread[varies]
    return Agreement(float(tau), float(pearson.mean()) if varies.any() else float("nan"))


def _measured(shown: np.ndarray, paid: np.ndarray, num_items: int) -> dict[str, np.ndarray]:
    depth = (shown > 0).sum(axis=1)
    reward = paid.sum(axis=1, dtype=np.float64)
    viewers = np.bincount(shown.ravel(), minlength=num_items)
    share = np.divide(1.0, viewers, out=np.zeros(num_items), where=viewers > 0)
    share[0] = 0
    coverage = share[shown].sum(axis=1) * len(shown) / (num_items - 1)
    values = (reward, reward / depth, depth.astype(np.float64), coverage)
    return dict(zip(_MEASURES, values, strict=True))


def _inputs(
    test: Dataset, boredom: Boredom | None = None
) -> tuple[dict[str, Truth], dict[str, Any]]:
    """Judges are fitted on all ratings, those of the test included."""
    ratings = joined(test.known, test.interactions)
    return simulators(ratings, genres=test.genres, boredom=boredom), {}


SIMULATOR = Protocol(
    run=simulator,
    metrics=SIMULATOR_METRICS,
    primary="reward",
    columns=(
        *("reward", "reward_factors", "reward_neighbours"),
        *("mean_reward", "depth", "coverage"),
    ),
    inputs=_inputs,
)
TIRING = dataclasses.replace(SIMULATOR, inputs=functools.partial(_inputs, boredom=BOREDOM))
