"""What requests and answers hold, as OpenAPI says it; anything else in a request is refused."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST_ITEMS = 1_000
"""Items of a list, and ids in a request."""
MOST_USERS = 1_000
MOST_EVENTS = 1_000

Id = Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A raw id, as in the data set: any text without control characters."""
Ids = Annotated[list[Id], Field(max_length=MOST_ITEMS)]
K = Annotated[int, Field(ge=1, le=MOST_ITEMS, description="K, number of items.")]
Stars = Annotated[float, Field(ge=1, le=5, allow_inf_nan=False)]
Kind = Literal["like", "dislike", "skip"]


class Given(BaseModel):
    """A body: unknown names and other types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Answer(Given):
    """What somebody thinks of an item: one of `feedback` and `rating`."""

    item: Id
    feedback: Kind | None = None
    rating: Stars | None = Field(None, description="Stars.")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.feedback is None) == (self.rating is None):
            raise ValueError("one of feedback and rating is expected")
        return self


class NewEvent(Answer):
    """Feedback on an item, with an id of its own that makes it safe to send again."""

    event: Id = Field(description="Id that is unique in the session.")


class Feedback(Given):
    """One event, or up to 1,000 in `events`."""

    event: Id | None = Field(None, description="Id that is unique in the session.")
    item: Id | None = None
    feedback: Kind | None = None
    rating: Stars | None = Field(None, description="Stars.")
    events: Annotated[list[NewEvent], Field(min_length=1, max_length=MOST_EVENTS)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        single = (self.event, self.item, self.feedback, self.rating)
        if self.events is not None:
            if any(each is not None for each in single):
                raise ValueError("events, or event and item, are expected, not both")
            return self
        if self.event is None or self.item is None:
            raise ValueError("event and item are expected, or events")
        if (self.feedback is None) == (self.rating is None):
            raise ValueError("one of feedback and rating is expected")
        return self

    def all(self) -> list[NewEvent]:
        """The events."""
        if self.events is not None:
            return self.events
        given = {"feedback": self.feedback, "rating": self.rating}
        return [NewEvent(event=self.event or "", item=self.item or "", **given)]  # type: ignore[arg-type]


class Asked(Given):
    """Whom to recommend to, and what."""

    k: K = 10
    user: Id | None = Field(None, description="A user of the training log.")
    liked: Ids = Field([], description="Items that somebody new likes, most recent last.")
    disliked: Ids = Field([], description="Items that somebody new dislikes.")
    context: Annotated[list[Answer], Field(max_length=MOST_ITEMS)] = Field(
        [], description="What was answered in the session so far, in order."
    )
    users: Annotated[list[Id], Field(min_length=1, max_length=MOST_USERS)] | None = Field(
        None, description="Many users of the training log, in place of one."
    )
    among: Ids | None = Field(None, description="Items to choose among.")
    filter: Ids = Field([], description="Items to leave out.")
    keep_seen: bool = Field(False, description="Recommend what a user has in the log, too.")
    explain: bool = False
    model: Id | None = Field(
        None, description="Served model to ask, as answers call it; by default the user's own."
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        one = self.user is not None or self.liked or self.disliked or self.context
        if self.users is not None and (one or self.explain or self.model):
            raise ValueError(
                "users alone are expected, without user, liked, context, explain or model"
            )
        return self


class ToUser(BaseModel):
    """What is asked for a user, by path and query."""

    model_config = ConfigDict(extra="forbid")

    user: Id
    k: K = 10
    filter: Ids = Field([], description="Items to leave out; may be given several times.")
    among: Ids = Field([], description="Items to choose among; may be given several times.")
    keep_seen: bool = Field(False, description="Recommend what the user has in the log, too.")
    explain: bool = False


class Opened(Given):
    """Who opens a session."""

    user: Id | None = Field(None, description="A user, of the training log or not.")
    liked: Ids = Field([], description="Items that they like, most recent last.")
    disliked: Ids = []


class Reason(BaseModel):
    """What one of the user's items adds to a score."""

    item: str
    title: str
    amount: float


class Why(BaseModel):
    """Reasons for an item, the largest first.

    `shares`: all amounts of the user's items add up to the score. `leave_one_out`: an amount is by
    how much the score falls if the user had not liked that item. `none`: the score is not made of
    the user's items.
    """

    method: Literal["shares", "leave_one_out", "none"]
    reasons: list[Reason]


class Item(BaseModel):
    """A recommended item."""

    item: str
    title: str
    score: float
    why: Why | None = Field(None, description="With `explain`.")


class Items(BaseModel):
    """A list, best first, and the model that made it."""

    model: str
    items: list[Item]
    user: str | None = None


class FoundItem(BaseModel):
    """An item of the catalogue."""

    item: str
    title: str


class Found(BaseModel):
    """Items whose titles fit, best first."""

    model: str
    items: list[FoundItem]


class Lists(BaseModel):
    """Lists of many users."""

    lists: list[Items]


class SessionMade(BaseModel):
    """A new session."""

    session: str
    user: str | None
    is_known: bool = Field(description="Whether the user is of the training log.")
    model: str


class NextItems(Items):
    """The next list of a session."""

    session: str
    turn: int
    is_stored: bool = Field(
        description="False where the disk is full: these items may come again then."
    )
    policy: str = Field(description="greedy, or explore: and the probability.")
    propensities: list[float]


class Stored(BaseModel):
    """What became of an event."""

    event: str
    outcome: Literal["stored", "repeated"]
    in_catalogue: bool


class FeedbackStored(BaseModel):
    """What is on disk now."""

    session: str
    model: str
    events: list[Stored]


class Error(BaseModel):
    """What was expected, what was received, and how to mend it."""

    error: str
