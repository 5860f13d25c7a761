"""What is asked of an engine, and what it answers."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.errors import InputError, shown
from drrec.known import Known, newcomer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from drrec.known import Newcomer

_MOST_NAMED = 10
_NO_ITEMS = np.zeros(0, np.int32)
_NO_EVENTS = (_NO_ITEMS, np.zeros(0, bool), np.zeros(0))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Query:
    """Who asks, and what they were shown since the model was trained.

    Examples:
        >>> from drrec.serving.queries import Query
        >>> Query(user="196", session=[("50", 1.0), ("181", -0.5)]).filter_seen
        True
    """

    user: str | None = None
    """Raw id of a user of the training log; None is somebody new."""
    liked: Sequence[str] = ()
    """Raw ids of items that they like, most recent last. Each was shown before the session."""
    disliked: Sequence[str] = ()
    """Raw ids of items that they do not like."""
    session: Sequence[tuple[str, float]] = ()
    """(item, reward) as shown, oldest first. A rating is the reward (rating − 3) / 2, and a reward
    above 0 is a like."""
    filter_seen: bool = True
    """Exclude the items that the user has in the training log."""
    allow: Sequence[str] | None = None
    """Raw ids of the items to choose among; None is the whole catalogue."""
    block: Sequence[str] = ()
    """Raw ids of items to exclude."""


class Recommendation(NamedTuple):
    """One item of a list."""

    item: str
    title: str  # "" where unknown
    score: float


class Asked(NamedTuple):
    """A query in dense ids."""

    user: int  # of the training log, or of `newcomer`
    newcomer: Newcomer | None
    history: np.ndarray  # [L], of the form that the model reads
    events: np.ndarray  # [n] int32 what was shown since training, oldest first
    is_liked: np.ndarray  # [n] bool
    rewards: np.ndarray  # [n]
    hidden: np.ndarray  # [m] items that may not be shown
    allowed: np.ndarray | None  # [n] the only items that may be shown


def understood(query: Query, known: Known) -> Asked:
    """A query in dense ids of the training log.

    Raises:
        InputError: an id is unknown, an item is there twice, or a reward is no number.
    """
    events, is_liked, rewards = _happened(query, known)
    hidden = [events, dense_items(known, query.block, "block")]
    allowed = None if query.allow is None else dense_items(known, query.allow, "allow")
    new = None
    if query.user is None:
        new, user = newcomer(known, events, is_liked, rewards), 0
        history = new.known.history[0]
    else:
        user = dense_user(known, query.user)
        history = known.pushed(known.history[user], events, is_liked, rewards)
        if query.filter_seen:
            hidden.append(known.item[known.offsets[user] : known.offsets[user + 1]])
    return Asked(user, new, history, events, is_liked, rewards, np.concatenate(hidden), allowed)


def _happened(query: Query, known: Known) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What was shown since training, whether it was liked, and what it paid: [n] each."""
    if not (query.liked or query.disliked or query.session):
        return _NO_EVENTS  # as of most queries
    good = dense_items(known, query.liked, "liked", once=True)
    bad = dense_items(known, query.disliked, "disliked", once=True)
    shown_items = dense_items(known, [item for item, _ in query.session], "session")
    paid = np.array([_checked_reward(reward) for _, reward in query.session])
    sizes = [len(bad), len(good)]
    events = np.concatenate([bad, good, shown_items])
    is_liked = np.concatenate([np.repeat([False, True], sizes), paid > 0])
    rewards = np.concatenate([np.repeat([-known.like, known.like], sizes), paid])
    return events, is_liked, rewards


def dense_user(known: Known, raw: str) -> int:
    """The dense id of a user.

    Raises:
        InputError: the user is unknown.
    """
    if raw not in known.users:
        raise InputError(
            f"Expected a user of the training log. Received: {shown(raw)}. Leave the user out and "
            "say what they like."
        )
    return known.users.dense(raw)


def dense_items(known: Known, raw: Iterable[str], name: str, *, once: bool = False) -> np.ndarray:
    """[n] int32 of raw ids.

    Raises:
        InputError: some are unknown, all of which are named; or with `once`, one is there twice.
    """
    given = [str(each) for each in raw]
    if not given:
        return _NO_ITEMS
    if unknown := [each for each in given if each not in known.items]:
        rest = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
        named = ", ".join(map(shown, unknown[:_MOST_NAMED]))
        raise InputError(f"Expected known items in `{name}`. Received: {named}{rest}.")
    if once and len(set(given)) < len(given):
        raise InputError(f"Expected each item once in `{name}`. Received: {shown(given)}.")
    return np.array([known.items.dense(each) for each in given], np.int32)


def _checked_reward(reward: float) -> float:
    if isinstance(reward, bool) or not isinstance(reward, int | float | np.number):
        raise InputError(f"Expected rewards that are numbers. Received: {shown(reward)}.")
    if not math.isfinite(reward):
        raise InputError(f"Expected finite rewards. Received: {shown(reward)}.")
    return float(reward)
