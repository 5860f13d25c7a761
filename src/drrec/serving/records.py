"""What the store keeps, and what can be asked of it in writing."""

from __future__ import annotations

import dataclasses
import enum
from typing import Literal

Kind = Literal["like", "dislike", "skip", "rating"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A session as it was opened."""

    id: str
    user: str | None
    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()
    time: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Feedback on an item."""

    session: str
    event: str
    """Id, unique in the session."""
    item: str
    kind: Kind
    value: float | None = None
    """Stars from 1 to 5 of a rating; None for the other kinds."""
    time: float
    model: str
    """Version of the model that served the session then."""
    user: str | None = None
    """The session's; set by the store."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A list of recommendations, best first."""

    session: str | None
    turn: int | None
    """1, 2, … in the session."""
    user: str | None
    items: tuple[str, ...]
    propensities: tuple[float, ...]
    """Chance of each item to be at its position, given those before it."""
    policy: str
    model: str
    time: float


@dataclasses.dataclass(frozen=True, slots=True)
class ForgetHistory:
    """Delete what was shown and answered in a session."""

    session: str


@dataclasses.dataclass(frozen=True, slots=True)
class ForgetSession:
    """Delete a session and all of it."""

    session: str


@dataclasses.dataclass(frozen=True, slots=True)
class ForgetUser:
    """Delete all of a user's sessions, feedback and recommendations."""

    user: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class AddedItem:
    """An item that came after training, with its content."""

    id: str
    title: str
    genres: tuple[str, ...]
    features: dict[str, tuple[float, ...]]
    """Vectors by modality."""
    encoded_by: dict[str, str]
    """Names of the encoders that made them, by modality."""
    digest: str
    """SHA-256 of what was sent."""
    time: float


@dataclasses.dataclass(frozen=True, slots=True)
class AddItem:
    """Store an item, unless there are as many as may be."""

    item: AddedItem
    most: int


@dataclasses.dataclass(frozen=True, slots=True)
class RemoveItem:
    """Delete an item that was added."""

    id: str


Record = Session | Event | Shown | ForgetHistory | ForgetSession | ForgetUser | AddItem | RemoveItem


class Outcome(enum.Enum):
    """What became of a record."""

    STORED = "stored"
    REPEATED = "repeated"
    """The same was stored before: nothing is changed."""
    CONFLICT = "conflict"
    """Another event has this id, or another list this turn: nothing is changed."""
    NO_SESSION = "no session"
    """There is no such session, no such user, or no such item."""
    FULL = "full"
    """There are as many items as may be: nothing is changed."""


@dataclasses.dataclass(frozen=True, slots=True)
class History:
    """A session, and all of it in order."""

    session: Session
    events: tuple[Event, ...]
    shown: tuple[Shown, ...]
