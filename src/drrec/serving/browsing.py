"""Routes for somebody who looks around: users of the log, what items are, a run's report."""

from __future__ import annotations

import asyncio
import pathlib
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from drrec.errors import InputError
from drrec.serving.answers import Json, StrictRoute
from drrec.serving.bodies import MOST_ITEMS, Error, FoundItem, Id
from drrec.serving.recommending import InPath, Number
from drrec.serving.reports import genres_of, report_of
from drrec.serving.service import no_model
from drrec.serving.truth import MOST_TURNS, judge_of

if TYPE_CHECKING:
    from drrec.serving.models import Served
    from drrec.serving.service import Service


class KnownUser(BaseModel):
    """A user of the training log."""

    user: str
    num_items: int
    liked: list[FoundItem]


class KnownUsers(BaseModel):
    """Users of the training log."""

    model: str
    users: list[KnownUser]


class AboutItem(FoundItem):
    """What there is to say of an item; genres are joined by ", " and empty where unknown."""

    genres: str


class AboutItems(BaseModel):
    """The items of the catalogue among those that were asked for."""

    model: str
    items: list[AboutItem]


class Report(BaseModel):
    """What the run of a served model was evaluated to, as in its metrics.json, and its curve.

    `metrics` is null where the run was not evaluated, and where the model is of no run.
    """

    model: str
    metrics: dict[str, Any] | None
    curve: list[dict[str, float]]


class TrueTurn(BaseModel):
    """An answered item, and what the world says of it."""

    item: str
    boredom: float = Field(description="What the items before took from its reward.")
    reward: float | None = Field(
        description="Appeal minus boredom; null where nobody knows the user's taste."
    )
    best: float | None = Field(description="What the best session has earned by then.")


class Truth(BaseModel):
    """What a session is worth in the world that its data were drawn from."""

    session: str
    user: str | None
    model: str
    turns: list[TrueTurn]
    most_turns: int = Field(description="Items that are judged at most, the first ones.")


_NOT_MADE_UP = (
    "Expected a run on made-up data, such as demo, whose world.npz is in --data-dir. Received: "
    "another, of which nobody knows the truth."
)


def routes(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=StrictRoute, tags=["browsing"])

    @router.get("/v1/users", response_model=KnownUsers)
    async def users(query: Annotated[str, Query(max_length=200)] = "", k: Number = 10) -> Json:
        """Find users of the training log by the start of their id, or some if no query is given."""
        served = service.models.served[0]
        people = await served.batcher.call(served.engine.find_users, query, k)
        found = [
            {
                "user": each.user,
                "num_items": each.num_items,
                "liked": [{"item": item, "title": title} for item, title in each.liked],
            }
            for each in people
        ]
        return Json({"model": served.label, "users": found})

    @router.get("/v1/items/about", response_model=AboutItems)
    async def about(item: Annotated[list[Id], Query(max_length=MOST_ITEMS)]) -> Json:
        """Titles and genres of items."""
        served = service.models.served[0]
        return Json({"model": served.label, "items": await asyncio.to_thread(_about, served, item)})

    @router.get(
        "/v1/sessions/{session}/truth",
        response_model=Truth,
        responses={404: {"model": Error}},
    )
    async def truth(session: InPath) -> Json:
        """Judge a session by the world that a made-up data set was drawn from."""
        history = await service.history(session)
        served = service.models.pick(history.session.user or session)
        judge = await asyncio.to_thread(judge_of, served)
        if judge is None:
            raise HTTPException(404, _NOT_MADE_UP)
        user, items = history.session.user, [each.item for each in history.events]
        turns = await asyncio.to_thread(judge.turns, user, items)
        told = {"turns": [each._asdict() for each in turns], "most_turns": MOST_TURNS}
        return Json({"session": session, "user": user, "model": served.label, **told})

    @router.get(
        "/v1/models/{model:id}/report",
        response_model=Report,
        responses={404: {"model": Error}},
    )
    async def report(model: InPath) -> Json:
        """The numbers of a served model's run."""
        served = service.models.named(model)
        if served is None:
            raise no_model(model)
        found = await asyncio.to_thread(report_of, pathlib.Path(served.identity[0]))
        return Json({"model": served.label, **found})

    return router


def _about(served: Served, items: list[str]) -> list[dict[str, str]]:
    try:
        genres = genres_of(pathlib.Path(served.identity[0]))
    except (InputError, OSError):  # a list without genres is better than none
        genres = {}
    return [
        {"item": each, "title": served.engine.title(each), "genres": genres.get(each, "")}
        for each in items
        if each in served.engine.items
    ]
