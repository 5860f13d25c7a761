"""Users of the training log, for somebody who looks for one."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.data.histories import liked_of
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.known import Known

MOST_LIKED = 3
"""Items that are told of a user."""


class Person(NamedTuple):
    """A user of the training log."""

    user: str
    num_items: int
    liked: list[tuple[str, str]]
    """Item and title of what they liked, the last one first; empty where the model keeps none."""


def found_users(known: Known, text: str, k: int) -> list[Person]:
    """K users whose ids begin with a text, the one of that very id first.

    Without a text they are spread evenly over all users.
    """
    raw = known.users.raw
    if not text:
        places = np.linspace(0, len(raw) - 1, min(k, len(raw)), dtype=np.int64)
        return [_person(known, int(place)) for place in places]
    exact = [known.users.dense(text)] if text in known.users else []
    others = (
        place for place, each in enumerate(raw.tolist()) if each.startswith(text) and each != text
    )
    return [_person(known, place) for place in itertools.islice(itertools.chain(exact, others), k)]


def _person(known: Known, user: int) -> Person:
    history = known.history[user : user + 1]
    liked = [item for item in liked_of(history)[0].tolist() if item != PADDING]
    last = list(dict.fromkeys(reversed(liked)))[:MOST_LIKED]
    return Person(
        str(known.users.raw[user]),
        int(known.offsets[user + 1] - known.offsets[user]),
        [(str(known.items.raw[item]), str(known.titles[item])) for item in last],
    )
