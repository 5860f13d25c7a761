"""Logs of a simulator, whose propensities are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.data.histories import pushed
from drrec.evaluation.offpolicy.log import Features, LoggedSteps
from drrec.evaluation.optimum import bored_appeal
from drrec.evaluation.protocols.simulated import depths
from drrec.types import PADDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.evaluation.offpolicy.policies import StochasticPolicy
    from drrec.worlds.world import Truth

    Describe = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    """`(users [N], histories [N, L], shown [N, t]) -> φ [N, I, F]` of every item at a step."""


class PlayedLog(NamedTuple):
    """N sessions that a policy has played."""

    user: np.ndarray  # [N] int32
    history: np.ndarray  # [N, T, L] of the form of the openings, before each step
    item: np.ndarray  # [N, T] int32
    reward: np.ndarray  # [N, T] float32
    probability: np.ndarray  # [N, T] float64, how likely the item was to be shown
    is_step: np.ndarray  # [N, T] bool, False after the user left


def played_log(
    truth: Truth,
    policy: StochasticPolicy,
    users: np.ndarray,
    openings: np.ndarray,
    steps: int,
    *,
    patience: int | None = None,
    seed: int = 0,
) -> PlayedLog:
    """Play a session for each of `users`, none of whose items comes twice, and log it.

    Args:
        truth: what items please.
        policy: who draws the items.
        users: [N] int32; one may play several sessions.
        openings: [N, L] the histories that sessions open with, of either form.
        steps: T.
        patience: items of negative reward in a row after which a user leaves; None never leaves.
        seed: of the draws.

    Raises:
        InputError: a user has fewer items than steps.
    """
    rng = np.random.default_rng(seed)
    shown = np.zeros((len(users), steps), np.int32)
    reward = np.zeros((len(users), steps), np.float32)
    probability = np.ones((len(users), steps))
    history = np.zeros((len(users), steps, openings.shape[1]), openings.dtype)
    now = openings
    for t in range(steps):
        history[:, t] = now
        chances = policy.probabilities(users, now, _not_shown(len(truth.kind), shown[:, :t]))
        item = drawn(chances, rng)
        shown[:, t] = item
        probability[:, t] = np.take_along_axis(chances, item[:, None], axis=1)[:, 0]
        pays = bored_appeal(truth, users, shown[:, :t])
        reward[:, t] = np.take_along_axis(pays, item[:, None], axis=1)[:, 0]
        now = pushed(now, item, reward[:, t])
    depth = np.full(len(users), steps) if patience is None else depths(reward, patience)
    is_step = np.arange(steps) < depth[:, None]
    return PlayedLog(users, history, shown, reward, probability, is_step)


def evidence_of(
    log: PlayedLog, policy: StochasticPolicy, num_items: int, describe: Describe
) -> tuple[LoggedSteps, Features]:
    """What a log says of a policy that did not play it; each session is a unit of its own.

    Args:
        log: the sessions.
        policy: who is asked about.
        num_items: I.
        describe: what the value of an item is regressed on.
    """
    num_sessions, steps = log.item.shape
    target = np.ones((num_sessions, steps))
    logged, expected = [], []
    for t in range(steps):
        shown = log.item[:, :t]
        chances = policy.probabilities(log.user, log.history[:, t], _not_shown(num_items, shown))
        described = describe(log.user, log.history[:, t], shown)  # [N, I, F]
        target[:, t] = np.take_along_axis(chances, log.item[:, t, None], axis=1)[:, 0]
        logged.append(described[np.arange(num_sessions), log.item[:, t]])
        expected.append(np.einsum("ni,nif->nf", chances, described))
    reward = log.reward.astype(np.float64)
    unit = np.arange(num_sessions)
    evidence = LoggedSteps(reward, log.probability, target, log.is_step, unit)
    return evidence, Features(np.stack(logged, axis=1), np.stack(expected, axis=1))


def tabular(state: np.ndarray, num_states: int, num_items: int) -> np.ndarray:
    """[N] the number of a state -> φ [N, I, S · I]: a value of its own for each state and item."""
    described = np.zeros((len(state), num_items, num_states, num_items))
    items = np.arange(num_items)
    described[np.arange(len(state))[:, None], items, state[:, None], items] = 1
    return described.reshape(len(state), num_items, -1)


def drawn(chances: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[B, I] rows that sum to 1 -> [B] int32 an item of each."""
    total = np.cumsum(chances, axis=1)
    # An item is drawn where the sum passes the point; sums end a rounding error below or above 1.
    point = rng.random(len(chances)) * total[:, -1]
    return (total <= point[:, None]).sum(axis=1).astype(np.int32)


def _not_shown(num_items: int, shown: np.ndarray) -> np.ndarray:
    is_left = np.ones((len(shown), num_items), bool)
    is_left[:, PADDING] = False
    np.put_along_axis(is_left, shown, False, axis=1)
    return is_left
