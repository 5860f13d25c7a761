"""The application: routes, errors, the page, and what goes on beside requests."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import pathlib
import signal
import threading
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

import drrec
from drrec.errors import InputError
from drrec.serving import (
    browsing,
    docs,
    item_routes,
    operating,
    recommending,
    session_routes,
)
from drrec.serving.answers import StrictRoute, refuse_in_one_line
from drrec.serving.bodies import Error
from drrec.serving.faults import StoreError
from drrec.serving.guard import Guard
from drrec.serving.shortcut import Shortcut

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.responses import Response
    from starlette.types import ASGIApp

    from drrec.serving.service import Service

logger = logging.getLogger(__name__)

_BETWEEN_GAUGES = 1.0

PAGE = pathlib.Path(__file__).with_name("page")
"""The static page, if it is there."""


def application(service: Service, token: str | None = None, page: pathlib.Path = PAGE) -> ASGIApp:
    """The application of a service, which it closes when it ends.

    Args:
        service: what it serves.
        token: that clients have to show; None asks for none.
        page: folder of the static page.
    """

    @contextlib.asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        beside = [asyncio.create_task(each) for each in (_watch(service), _tell(app))]
        _reload_on_hangup(service)
        try:
            yield
        finally:
            for each in beside:
                each.cancel()
            await asyncio.to_thread(service.close)

    app = FastAPI(
        title="drrec",
        version=drrec.__version__,
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        responses={422: {"model": Error}, 429: {"model": Error}},
    )
    app.state.service = service
    app.router.route_class = StrictRoute
    refuse_in_one_line(app)
    parts = (browsing, item_routes, recommending, session_routes, operating)
    for routes in (part.routes for part in parts):
        app.include_router(routes(service))
    app.include_router(docs.routes(app))
    if (page / "index.html").is_file():
        app.mount("/", _Page(directory=page, html=True))
    answer = functools.partial(recommending.list_of_user, service)
    inner = Shortcut(app, recommending.OF_USER, answer)
    guard = Guard(inner, service.config, service.metrics, token)
    app.state.gauges = lambda: _set_gauges(service, guard)
    return guard


def _set_gauges(service: Service, guard: Guard) -> None:
    service.metrics.in_flight.set(guard.in_flight)
    service.metrics.waiting.set(service.num_waiting)


class _Page(StaticFiles):
    """Files of the page; a browser asks each time whether they are of the server's version."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        return response


async def _watch(service: Service) -> None:
    """Load newer runs as they appear."""
    said = ""
    while service.config.watch:
        await asyncio.sleep(service.config.watch)
        with contextlib.suppress(StoreError):  # whoever asks is told
            await asyncio.to_thread(service.look_for_items)
        said = await asyncio.to_thread(reload_quietly, service, said)


async def _tell(app: FastAPI) -> None:
    """Set gauges now and then, for what another worker tells of all."""
    while True:
        app.state.gauges()
        await asyncio.sleep(_BETWEEN_GAUGES)


def reload_quietly(service: Service, said: str | None = None) -> str:
    """Load what is newer; what cannot be loaded is said, and the old one goes on.

    Args:
        service: whose models.
        said: what was wrong the last time, which is not said again; None begins anew.

    Returns:
        What is wrong now.
    """
    try:
        service.models.reload(only_if_new=said is not None)
    except (InputError, OSError) as error:
        if str(error) != said:
            logger.warning("still serving the old run: %s", error)
        return str(error)
    return ""


def _reload_on_hangup(service: Service) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()

    def reload() -> None:
        loop.run_in_executor(None, reload_quietly, service)

    loop.add_signal_handler(signal.SIGHUP, reload)
