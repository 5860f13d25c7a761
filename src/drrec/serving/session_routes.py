"""Routes of sessions and of what is stored of a user."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException
from starlette.responses import Response

from drrec.errors import shown as as_shown
from drrec.serving.answers import Json, StrictRoute
from drrec.serving.bodies import (
    Error,
    Feedback,
    FeedbackStored,
    NextItems,
    Opened,
    SessionMade,
)
from drrec.serving.recommending import InPath, Number, as_json, check_explained, reasons
from drrec.serving.records import (
    Event,
    ForgetHistory,
    ForgetSession,
    ForgetUser,
    Outcome,
    Session,
)
from drrec.serving.service import no_session

if TYPE_CHECKING:
    from drrec.serving.records import History, Record
    from drrec.serving.service import Service

_REFUSALS: dict[int | str, dict[str, Any]] = {404: {"model": Error}, 507: {"model": Error}}


def routes(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=StrictRoute, tags=["sessions"], responses=_REFUSALS)

    @router.post("/v1/sessions", status_code=201, response_model=SessionMade)
    async def open_session(opened: Opened) -> Json:
        """Open a session, for a user or for somebody new."""
        name = secrets.token_urlsafe(16)
        served = service.models.pick(opened.user or name)
        for item in (*opened.liked, *opened.disliked):
            if item not in served.engine.items:
                raise HTTPException(
                    422, f"Expected items of the catalogue. Received: {as_shown(item)}."
                )
        liked = tuple(dict.fromkeys(opened.liked))
        disliked = tuple(each for each in dict.fromkeys(opened.disliked) if each not in liked)
        await service.write(
            [Session(id=name, user=opened.user, liked=liked, disliked=disliked, time=time.time())]
        )
        is_known = opened.user is not None and opened.user in served.engine.users
        made = {"session": name, "user": opened.user, "is_known": is_known, "model": served.label}
        return Json(made, 201)

    @router.get("/v1/sessions/{session}/next", response_model=NextItems)
    async def next_items(
        session: InPath,
        k: Number = 10,
        keep_unanswered: Annotated[
            bool, Query(description="Items that were shown and not answered may come again.")
        ] = False,
        explain: bool = False,
    ) -> Json:
        """The next list: no item that was answered or, by default, shown in this session."""
        check_explained(k, explain)
        served, query, made, record, is_stored = await service.next_list(
            session, k, keep_unanswered=keep_unanswered
        )
        why = await reasons(served, query, made.items) if explain else None
        return Json(
            {
                "session": session,
                "user": record.user,
                "turn": record.turn,
                "is_stored": is_stored,
                "model": served.label,
                "policy": made.policy,
                "propensities": made.propensities,
                "items": as_json(made.items, why),
            }
        )

    @router.post(
        "/v1/sessions/{session}/feedback",
        response_model=FeedbackStored,
        responses={409: {"model": Error}},
    )
    async def feedback(session: InPath, given: Feedback) -> Json:
        """Store feedback; what is answered is on disk. An event that is sent again counts once."""
        return await _stored(service, session, given)

    _add_histories(router, service)
    return router


def _add_histories(router: APIRouter, service: Service) -> None:
    @router.get("/v1/sessions/{session}/history")
    async def read_history(session: InPath) -> Json:
        """All that is stored of a session."""
        return Json(_as_json(await service.history(session)))

    @router.delete("/v1/sessions/{session}/history", status_code=204)
    async def forget_history(session: InPath) -> Response:
        """Delete what was shown and answered in a session, which begins anew."""
        await _forget(service, ForgetHistory(session), session)
        return Response(status_code=204)

    @router.delete("/v1/sessions/{session}", status_code=204)
    async def forget_session(session: InPath) -> Response:
        """Delete a session and all that is stored of it."""
        await _forget(service, ForgetSession(session), session)
        return Response(status_code=204)

    @router.get("/v1/users/{user:id}/data")
    async def read_user(user: InPath) -> Json:
        """All that is stored of a user."""
        names = await service.read(service.store.sessions_of, user)
        found = [await service.read(service.store.history, name) for name in names]
        return Json({"user": user, "sessions": [_as_json(each) for each in found if each]})

    @router.delete("/v1/users/{user:id}/data", status_code=204)
    async def forget_user(user: InPath) -> Response:
        """Delete all that is stored of a user; the trained model is not changed."""
        await service.write([ForgetUser(user)])
        return Response(status_code=204)


async def _stored(service: Service, session: str, given: Feedback) -> Json:
    served = await service.model_of(session)
    now = time.time()
    events = [
        Event(
            session=session,
            event=each.event,
            item=each.item,
            kind=each.feedback or "rating",
            value=each.rating,
            time=now,
            model=served.label,
        )
        for each in given.all()
    ]
    outcomes = await service.write(events)
    if Outcome.NO_SESSION in outcomes:
        raise no_session(session)
    told = []
    for event, outcome in zip(events, outcomes, strict=True):
        if outcome is Outcome.STORED:
            service.metrics.feedback.labels(event.kind).inc()
    for event, outcome in zip(events, outcomes, strict=True):
        if outcome is Outcome.CONFLICT:
            raise HTTPException(
                409,
                f"Expected a new id for an event. Received: {as_shown(event.event)}, by which "
                "other feedback is stored in this session. All others of this call are stored.",
            )
        in_catalogue = event.item in served.engine.items
        told.append({"event": event.event, "outcome": outcome.value, "in_catalogue": in_catalogue})
    return Json({"session": session, "model": served.label, "events": told})


async def _forget(service: Service, record: Record, session: str) -> None:
    [outcome] = await service.write([record])
    if outcome is Outcome.NO_SESSION:
        raise no_session(session)


def _as_json(history: History) -> dict[str, Any]:
    session = history.session
    return {
        "session": session.id,
        "user": session.user,
        "liked": session.liked,
        "disliked": session.disliked,
        "time": session.time,
        "events": [
            {
                "event": each.event,
                "item": each.item,
                "feedback": None if each.kind == "rating" else each.kind,
                "rating": each.value,
                "time": each.time,
                "model": each.model,
            }
            for each in history.events
        ],
        "shown": [
            {
                "turn": each.turn,
                "items": each.items,
                "propensities": each.propensities,
                "policy": each.policy,
                "time": each.time,
                "model": each.model,
            }
            for each in history.shown
        ],
    }
