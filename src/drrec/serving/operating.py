"""Routes for those who operate the server: health, metrics, models."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from drrec.errors import InputError
from drrec.serving.answers import Json
from drrec.serving.bodies import Error
from drrec.serving.metrics import CONTENT_TYPE
from drrec.serving.truth import has_truth

if TYPE_CHECKING:
    from drrec.serving.service import Service

SUPERVISOR = "DRREC_SUPERVISOR"
"""Variable with the process that has all workers load a newer run."""


class Model(BaseModel):
    """A served model."""

    model: str
    name: str
    version: str
    algorithm: str
    backend: str
    share: float
    users: int
    items: int
    since: float
    has_truth: bool = Field(description="Whether GET /v1/sessions/{session}/truth answers.")


class ModelList(BaseModel):
    """The served models, the main one first."""

    models: list[Model]


class Reloaded(ModelList):
    """The same after a reload, and which are new."""

    exchanged: list[str]


def routes(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["operation"])

    @router.get("/healthz")
    async def is_alive() -> Json:
        """The process answers."""
        return _ALIVE

    @router.get("/readyz", responses={503: {"model": Error}})
    async def is_ready() -> Json:
        """The models are loaded and the store can be read."""
        await service.read(service.store.ping)
        return Json({"status": "ready", "models": [each.label for each in service.models.served]})

    @router.get("/metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        """Counters and times of all workers, for Prometheus."""
        request.app.state.gauges()
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)

    @router.get("/v1/models", response_model=ModelList)
    async def models() -> Json:
        """The served models."""
        return Json({"models": await asyncio.to_thread(_told, service)})

    @router.post("/v1/models/reload", response_model=Reloaded, responses={409: {"model": Error}})
    async def reload() -> Json:
        """Load a newer run, if there is one; requests go on meanwhile."""
        try:
            exchanged = await asyncio.to_thread(service.models.reload)
        except InputError as error:
            raise HTTPException(409, f"{error} What was served is still served.") from error
        if exchanged and SUPERVISOR in os.environ:  # the other workers
            os.kill(int(os.environ[SUPERVISOR]), signal.SIGHUP)
        told = await asyncio.to_thread(_told, service)
        return Json({"exchanged": exchanged, "models": told})

    return router


_ALIVE = Json({"status": "alive"})


def _told(service: Service) -> list[dict[str, Any]]:
    models = service.models
    return [
        {
            "model": each.label,
            "name": each.engine.name,
            "version": each.engine.version,
            "algorithm": each.engine.algorithm,
            "backend": each.engine.backend,
            "share": share,
            "users": len(each.engine.users),
            "items": each.engine.num_items,
            "since": each.since,
            "has_truth": has_truth(each),
        }
        for each, share in zip(models.served, models.shares, strict=True)
    ]
