"""What can be had at most from living sessions, exactly, and what greed has of it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from drrec.worlds.world import Truth

Pays = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From users [B], what they were shown [B, t] and items [B] to what these pay now, [B]."""

_USERS_AT_ONCE = 32
_FORESIGHT = 5
"""Films that `bayesian_rewards` plans ahead; with 10 it earns .4 % more in the world of `demo`."""
_LEAST_SPREAD = 1e-6


def bored_appeal(truth: Truth, users: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """What each film would please now.

    Args:
        truth: the world.
        users: [B] dense ids.
        shown: [B, t] what was shown so far, the latest last.

    Returns:
        [B, I] float32.
    """
    appeal = truth.appeal[users]
    for item in shown[:, max(0, shown.shape[1] - truth.window) :].T:
        appeal = appeal - truth.boredom[truth.kind[item]][:, truth.kind]
    return appeal


def bored_reward(
    truth: Truth, users: np.ndarray, shown: np.ndarray, items: np.ndarray
) -> np.ndarray:
    """[B] float32 of `items [B]` alone, what `bored_appeal` says of all."""
    reward = truth.appeal[users, items]
    for item in shown[:, max(0, shown.shape[1] - truth.window) :].T:
        reward = reward - truth.boredom[truth.kind[item], truth.kind[items]]
    return reward


def looked_up(every: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Pays:
    """Of what gives [B, I], all items' rewards."""
    return lambda users, shown, items: np.take_along_axis(
        every(users, shown), items[:, None].astype(np.intp), axis=1
    )[:, 0]


def played(
    pays: Pays,
    users: np.ndarray,
    steps: int,
    choose: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Play a session of each user.

    Args:
        pays: what items pay.
        users: [B] dense ids.
        steps: T.
        choose: from what was shown and what it paid, both [B, t], to what is next, [B].

    Returns:
        [B, T] the items shown and [B, T] what they paid.
    """
    shown = np.zeros((len(users), 0), np.int32)
    paid = np.zeros((len(users), 0), np.float32)
    for _ in range(steps):
        item = choose(shown, paid)[:, None]  # [B, 1]
        now = pays(users, shown, item[:, 0])[:, None]
        shown = np.concatenate([shown, item.astype(np.int32)], axis=1)
        paid = np.concatenate([paid, now], axis=1)
    return shown, paid


def greedy_rewards(truth: Truth, users: np.ndarray, steps: int) -> np.ndarray:
    """[B] what he earns in a session who knows the truth and takes the best film each time."""

    def best(shown: np.ndarray, _: np.ndarray) -> np.ndarray:
        appeal = bored_appeal(truth, users, shown)
        appeal[:, 0] = -np.inf
        np.put_along_axis(appeal, shown, -np.inf, axis=1)
        return appeal.argmax(axis=1)

    return played(functools.partial(bored_reward, truth), users, steps, best)[1].sum(axis=1)


def best_rewards(truth: Truth, users: np.ndarray, steps: int) -> np.ndarray:
    """[B] the largest total reward of a session of `steps` films, none twice, exactly.

    Which kinds are shown when decides all boredom. Given that, films of one kind may change places
    without changing what is taken off, so the n-th showing of a kind is, at best, its n-th film by
    appeal. What is left to choose is the kind, and the state of the dynamic programme is how many
    films of each kind were shown and which kinds were the last W.

    Raises:
        ValueError: there are fewer films than steps.
    """
    if len(truth.kind) - 1 < steps:
        raise ValueError(f"Expected {steps} films. Received: {len(truth.kind) - 1}.")
    ranked = _ranked(truth, users, steps)  # [K, T, B]
    parts = [
        _plans(truth, ranked[:, :, start : start + _USERS_AT_ONCE], steps).max(axis=0)[-1]
        for start in range(0, len(users), _USERS_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def bayesian_rewards(truth: Truth, users: np.ndarray, steps: int) -> np.ndarray:
    """[B] what a planner earns who knows the films and all users together, but no user's taste.

    The prior of an appeal is a Gaussian with the mean and covariance over all users; each reward
    of the session narrows it. Shown is the first film of the best session of `_FORESIGHT` films by
    the posterior mean: a little less than the most that can be expected, without exploration.
    """
    mean = truth.appeal.mean(axis=0, dtype=np.float64)
    _, size, axes = np.linalg.svd(truth.appeal - mean, full_matrices=False)
    is_axis = size > _LEAST_SPREAD * size[0]
    factors = (size[is_axis, None] * axes[is_axis]).T / np.sqrt(len(truth.appeal))  # [I, R]
    taste = np.zeros((len(users), factors.shape[1]))  # posterior means
    doubt = np.tile(np.eye(factors.shape[1]), (len(users), 1, 1))  # posterior covariances
    believed = truth._replace(appeal=np.zeros((len(users), len(truth.kind)), np.float32))

    def next_film(shown: np.ndarray, paid: np.ndarray) -> np.ndarray:
        nonlocal taste, doubt
        if shown.shape[1]:
            item = shown[:, -1]
            bored = bored_appeal(truth, users, shown[:, :-1]) - truth.appeal[users]
            told = paid[:, -1] - np.take_along_axis(bored, item[:, None], axis=1)[:, 0]
            taste, doubt = _narrowed(taste, doubt, factors[item], told - mean[item])
        believed.appeal[:] = mean + taste @ factors.T
        left = believed.appeal.copy()
        left[:, 0] = -np.inf
        np.put_along_axis(left, shown, -np.inf, axis=1)
        horizon = min(_FORESIGHT, steps - shown.shape[1])
        return _first_of_best(truth._replace(appeal=left), shown, horizon)

    return played(functools.partial(bored_reward, truth), users, steps, next_film)[1].sum(axis=1)


def _narrowed(
    taste: np.ndarray, doubt: np.ndarray, direction: np.ndarray, told: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Means [B, R] and covariances [B, R, R] after `direction [B, R]` · taste was `told [B]`."""
    along = np.einsum("brs,bs->br", doubt, direction)
    spread = np.einsum("br,br->b", direction, along) + _LEAST_SPREAD
    gain = along / spread[:, None]
    surprise = told - np.einsum("br,br->b", direction, taste)
    return taste + gain * surprise[:, None], doubt - gain[:, :, None] * along[:, None, :]


def _first_of_best(truth: Truth, shown: np.ndarray, steps: int) -> np.ndarray:
    """[B] the film that opens the best session of `steps`, after `shown [B, t]`, −inf barred."""
    users = np.arange(len(shown))
    symbols, window = len(truth.boredom), truth.window
    recent = np.full((len(shown), window), symbols - 1)
    last = truth.kind[shown[:, max(0, shown.shape[1] - window) :]]
    recent[:, window - last.shape[1] :] = last
    place = np.ravel_multi_index(tuple(recent.T), (symbols,) * window)
    ranked = _ranked(truth, users, steps)
    value = np.concatenate(
        [
            _plans(truth, ranked[:, :, rows], steps)[:, place[rows], np.arange(len(rows))]
            for rows in np.array_split(users, -(-len(users) // _USERS_AT_ONCE))
        ],
        axis=1,
    )  # [K, B]
    is_kind = truth.kind == value.argmax(axis=0)[:, None]
    return np.where(is_kind, truth.appeal, -np.inf).argmax(axis=1)


def _ranked(truth: Truth, users: np.ndarray, steps: int) -> np.ndarray:
    """[K, T, B] the appeal of each kind's best films, in falling order, −inf where it has fewer."""
    num_kinds = len(truth.boredom) - 1
    ranked = np.full((num_kinds, steps, len(users)), -np.inf, np.float32)
    for kind in range(num_kinds):
        appeal = truth.appeal[np.ix_(users, np.flatnonzero(truth.kind == kind))]
        best = -np.sort(-appeal, axis=1)[:, :steps]
        ranked[kind, : best.shape[1]] = best.T
    return ranked


def _plans(truth: Truth, ranked: np.ndarray, steps: int) -> np.ndarray:
    """[K, S, B] the most that `steps` films earn, by the first one's kind and the last W kinds."""
    symbols = len(truth.boredom)  # the kinds, and one for nothing shown yet
    num_kinds, size = symbols - 1, symbols**truth.window
    recent = np.array(list(itertools.product(range(symbols), repeat=truth.window))).reshape(
        size, -1
    )
    taken = truth.boredom[recent].sum(axis=1)  # [last W kinds, K + 1]
    value = np.zeros((len(_counts(steps, num_kinds)), size, ranked.shape[2]), np.float32)
    by_kind = np.full((num_kinds, size, ranked.shape[2]), -np.inf, np.float32)
    for shown in reversed(range(steps)):
        counts = _counts(shown, num_kinds)  # [n, K]
        after = {
            tuple(row): place for place, row in enumerate(_counts(shown + 1, num_kinds).tolist())
        }
        best = np.full(
            (len(counts), symbols, size // symbols, ranked.shape[2]), -np.inf, np.float32
        )
        for kind in range(num_kinds):
            step = np.eye(num_kinds, dtype=int)[kind]
            rows = [after[tuple(row)] for row in (counts + step).tolist()]
            # The oldest of the last W kinds falls out, whatever it was, and `kind` comes in.
            rest = value.reshape(len(value), -1, symbols, value.shape[2])[rows, :, kind]
            gained = rest + ranked[kind, counts[:, kind]][:, None]  # [n, K'^(W-1), B]
            lost = taken[:, kind].reshape(symbols, -1, 1)
            earned = gained[:, None] - lost
            np.maximum(best, earned, out=best)
            if shown == 0:
                by_kind[kind] = earned.reshape(size, -1)
        value = best.reshape(len(counts), size, -1)
    return by_kind


def _counts(total: int, num_kinds: int) -> np.ndarray:
    """[n, K] every way to divide `total` films among the kinds."""
    places = range(total + num_kinds - 1)
    cuts = np.array(list(itertools.combinations(places, num_kinds - 1)), int)
    cuts = cuts.reshape(len(cuts), num_kinds - 1)
    low = np.concatenate([np.full((len(cuts), 1), -1), cuts], axis=1)
    high = np.concatenate([cuts, np.full((len(cuts), 1), total + num_kinds - 1)], axis=1)
    return high - low - 1
