"""Routes without a session: users, somebody new, and items."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request

from drrec.errors import shown as as_shown
from drrec.serving import queries
from drrec.serving.answers import Json, StrictRoute
from drrec.serving.asking import checked, parameters_of
from drrec.serving.batching import MOST_QUERIES
from drrec.serving.bodies import MOST_ITEMS, Asked, Error, Found, Id, Items, Lists, ToUser
from drrec.serving.records import Shown
from drrec.serving.service import no_model
from drrec.serving.sessions import reward_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drrec.serving.models import Served
    from drrec.serving.queries import Recommendation
    from drrec.serving.service import Service

InPath = Annotated[Id, Path()]
Number = Annotated[int, Query(ge=1, le=MOST_ITEMS, description="K, number of items.")]

OF_USER = "/v1/users/{user:id}/recommendations"

TOP_REASONS = 3

MOST_EXPLAINED = 50
"""Items of a list that is explained: each takes as long as many that are not."""


def routes(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=StrictRoute, tags=["recommendations"])

    @router.get(
        OF_USER,
        response_model=Items,
        responses={404: {"model": Error}},
        openapi_extra=parameters_of(ToUser),
    )
    async def to_user(request: Request) -> Json:
        """Recommend to a user of the training log."""
        user, query = request.path_params["user"], request.scope["query_string"]
        return Json(await list_of_user(service, user, query))

    @router.post(
        "/v1/recommendations", response_model=Items | Lists, responses={404: {"model": Error}}
    )
    async def to_anybody(asked: Asked) -> Json:
        """Recommend to somebody new by what they like, or to up to 1,000 users at once."""
        if asked.users is not None:
            return await _to_many(service, asked)
        check_explained(asked.k, asked.explain)
        query = _query(asked, asked.user)
        served = _asked_model(service, asked)
        if asked.user is not None:
            _check_known(served, [asked.user])
        items = await service.listed(served, query, asked.k)
        if service.config.log_lists:
            await service.log([_shown(asked.user, items, served)])
        why = await reasons(served, query, items) if asked.explain else None
        return Json({"model": served.label, "user": asked.user, "items": as_json(items, why)})

    @router.get(
        "/v1/items/{item:id}/similar", response_model=Items, responses={404: {"model": Error}}
    )
    async def similar(item: InPath, k: Number = 10) -> Json:
        """Find items like one."""
        served = service.models.served[0]
        if item not in served.engine.items:
            raise HTTPException(
                404, f"Expected an item of the catalogue. Received: {as_shown(item)}."
            )
        items = await served.batcher.call(served.engine.similar, item, k)
        return Json({"model": served.label, "items": as_json(items)})

    @router.get("/v1/items", response_model=Found)
    async def search(
        query: Annotated[str, Query(min_length=1, max_length=200)], k: Number = 10
    ) -> Json:
        """Find items by words of their titles."""
        served = service.models.served[0]
        titled = await served.batcher.call(served.engine.search, query, k)
        found = [{"item": item, "title": title} for item, title in titled]
        return Json({"model": served.label, "items": found})

    return router


async def list_of_user(service: Service, user: str, text: bytes) -> dict[str, Any]:
    """What is answered to a user of the training log.

    Args:
        service: of the routes.
        user: as in the path.
        text: the query string.

    Raises:
        HTTPException, RequestValidationError: it cannot be answered.
    """
    asked = checked(ToUser, {"user": user}, text)
    check_explained(asked.k, asked.explain)
    served = service.models.pick(asked.user)
    _check_known(served, [asked.user])
    query = queries.Query(
        user=asked.user,
        filter_seen=not asked.keep_seen,
        allow=asked.among or None,
        block=asked.filter,
    )
    items = await service.listed(served, query, asked.k)
    if service.config.log_lists:
        await service.log([_shown(asked.user, items, served)])
    why = await reasons(served, query, items) if asked.explain else None
    return {"model": served.label, "user": asked.user, "items": as_json(items, why)}


def _asked_model(service: Service, asked: Asked) -> Served:
    if asked.model is None:
        return service.models.pick(asked.user or ",".join(asked.liked))
    served = service.models.named(asked.model)
    if served is None:
        raise no_model(asked.model)
    return served


async def _to_many(service: Service, asked: Asked) -> Json:
    by_model: dict[Served, list[str]] = {}
    for user in asked.users or ():
        by_model.setdefault(service.models.pick(user), []).append(user)
    for served, users in by_model.items():
        _check_known(served, users)
    found: dict[str, dict[str, Any]] = {}
    for served, users in by_model.items():
        for start in range(0, len(users), MOST_QUERIES):  # others' requests come in between
            part = users[start : start + MOST_QUERIES]
            asked_for = [_query(asked, user) for user in part]
            lists = await served.batcher.recommend_many(asked_for, asked.k)
            if service.config.log_lists:
                await service.log(
                    [_shown(user, items, served) for user, items in zip(part, lists, strict=True)]
                )
            for user, items in zip(part, lists, strict=True):
                found[user] = {"model": served.label, "user": user, "items": as_json(items)}
        service.metrics.recommended.labels(served.label).inc(len(users))
    return Json({"lists": [found[user] for user in asked.users or ()]})


def _query(asked: Asked, user: str | None) -> queries.Query:
    return queries.Query(
        user=user,
        liked=asked.liked,
        disliked=asked.disliked,
        session=[
            (each.item, reward_of(each.feedback or "rating", each.rating)) for each in asked.context
        ],
        filter_seen=not asked.keep_seen,
        allow=asked.among,
        block=asked.filter,
    )


def _check_known(served: Served, users: Sequence[str]) -> None:
    for user in users:
        if user not in served.engine.users:
            raise HTTPException(
                404,
                f"Expected a user of the training log. Received: {as_shown(user)}. Recommend to "
                "somebody new by POST /v1/recommendations with what they like.",
            )


def _shown(user: str | None, items: Sequence[Recommendation], served: Served) -> Shown:
    return Shown(
        session=None,
        turn=None,
        user=user,
        items=tuple(each.item for each in items),
        propensities=(1.0,) * len(items),
        policy="greedy",
        model=served.label,
        time=time.time(),
    )


def check_explained(k: int, explain: bool) -> None:
    """See that a list is not too long to be explained.

    Raises:
        HTTPException: it is.
    """
    if explain and k > MOST_EXPLAINED:
        raise HTTPException(
            422, f"Expected k of at most {MOST_EXPLAINED} with `explain`. Received: {k}."
        )


async def reasons(
    served: Served, query: queries.Query, items: Sequence[Recommendation]
) -> list[Any]:
    """What speaks for each item."""

    def explained() -> list[Any]:
        told = served.engine.explain_all(query, [each.item for each in items], TOP_REASONS)
        return [
            {"method": each.method, "reasons": [reason._asdict() for reason in each.reasons]}
            for each in told
        ]

    return await served.batcher.call(explained)


def as_json(
    items: Sequence[Recommendation], why: Sequence[Any] | None = None
) -> list[dict[str, Any]]:
    """Items as answers have them."""
    found: list[dict[str, Any]] = [
        {"item": item, "title": title, "score": float(score)} for item, title, score in items
    ]
    if why is not None:
        for each, reason in zip(found, why, strict=True):
            each["why"] = reason
    return found
