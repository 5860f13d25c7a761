"""What can be had at most from living sessions, exactly, and what greed has of it."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.worlds.world import Truth

_USERS_AT_ONCE = 32


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


def played(
    pays: Callable[[np.ndarray, np.ndarray], np.ndarray],
    users: np.ndarray,
    steps: int,
    choose: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Play a session of each user.

    Args:
        pays: from users [B] and what they were shown [B, t] to what each item pays now, [B, I].
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
        now = np.take_along_axis(pays(users, shown), item, axis=1)
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

    return played(functools.partial(bored_appeal, truth), users, steps, best)[1].sum(axis=1)


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
        _best(truth, ranked[:, :, start : start + _USERS_AT_ONCE], steps)
        for start in range(0, len(users), _USERS_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _ranked(truth: Truth, users: np.ndarray, steps: int) -> np.ndarray:
    """[K, T, B] the appeal of each kind's best films, in falling order, −inf where it has fewer."""
    num_kinds = len(truth.boredom) - 1
    ranked = np.full((num_kinds, steps, len(users)), -np.inf, np.float32)
    for kind in range(num_kinds):
        appeal = truth.appeal[np.ix_(users, np.flatnonzero(truth.kind == kind))]
        best = -np.sort(-appeal, axis=1)[:, :steps]
        ranked[kind, : best.shape[1]] = best.T
    return ranked


def _best(truth: Truth, ranked: np.ndarray, steps: int) -> np.ndarray:
    symbols = len(truth.boredom)  # the kinds, and one for nothing shown yet
    num_kinds, size = symbols - 1, symbols**truth.window
    recent = np.array(list(itertools.product(range(symbols), repeat=truth.window))).reshape(
        size, -1
    )
    taken = truth.boredom[recent].sum(axis=1)  # [last W kinds, K + 1]
    value = np.zeros((len(_counts(steps, num_kinds)), size, ranked.shape[2]), np.float32)
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
            np.maximum(best, gained[:, None] - lost, out=best)
        value = best.reshape(len(counts), size, -1)
    return value[0, size - 1]


def _counts(total: int, num_kinds: int) -> np.ndarray:
    """[n, K] every way to divide `total` films among the kinds."""
    cuts = np.array(list(itertools.combinations(range(total + num_kinds - 1), num_kinds - 1)))
    cuts = cuts.reshape(len(cuts), num_kinds - 1)
    low = np.concatenate([np.full((len(cuts), 1), -1), cuts], axis=1)
    high = np.concatenate([cuts, np.full((len(cuts), 1), total + num_kinds - 1)], axis=1)
    return high - low - 1
