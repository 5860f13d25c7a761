"""The state of a session, made anew from what the store has of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drrec.serving.queries import Query

if TYPE_CHECKING:
    from collections.abc import Container

    from drrec.serving.records import Event, History

_NEUTRAL = 3.0
_REWARDS = {"like": 1.0, "dislike": -1.0, "skip": 0.0}


def reward_of(kind: str, value: float | None) -> float:
    """Reward of an answer in [−1, 1]: (stars − 3) / 2 of a rating; a skip is neither."""
    if value is not None:
        return (value - _NEUTRAL) / 2
    return _REWARDS[kind]


def stars_of(event: Event) -> float:
    """The same as stars, from 1 to 5."""
    return _NEUTRAL + 2 * reward_of(event.kind, event.value)


def query_of(
    history: History,
    users: Container[str],
    items: Container[str],
    *,
    keep_unanswered: bool = False,
) -> Query:
    """What to ask a model, so that it goes on with a session.

    Args:
        history: the session.
        users: that the model knows; to others it recommends by what they answered.
        items: that the model knows; others are left out.
        keep_unanswered: items that were shown and not answered may come again.
    """
    session = history.session
    answered = [(each.item, reward_of(each.kind, each.value)) for each in history.events]
    spent = {item for item, _ in answered} | {*session.liked, *session.disliked}
    if not keep_unanswered:
        spent.update(item for each in history.shown for item in each.items)
    return Query(
        user=session.user if session.user is not None and session.user in users else None,
        liked=tuple(item for item in session.liked if item in items),
        disliked=tuple(item for item in session.disliked if item in items),
        session=tuple((item, reward) for item, reward in answered if item in items),
        block=tuple(sorted(item for item in spent if item in items)),
    )
