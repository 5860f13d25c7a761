"""The way past FastAPI of what is asked most; its routing takes longer than a small model does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from drrec.errors import InputError
from drrec.serving.faults import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send


class Shortcut:
    """ASGI middleware that answers the GET requests of one path itself.

    What is refused goes on to the application, which says why; so does everything else.
    """

    def __init__(
        self, app: ASGIApp, path: str, answer: Callable[[str, bytes], Awaitable[dict[str, Any]]]
    ) -> None:
        """Stand before an application.

        Args:
            app: the application, which has a route of this path.
            path: with one parameter.
            answer: from the parameter and the query string to the answer.
        """
        self._app = app
        self._answer = answer
        self._path, self.path_format, _ = compile_path(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or go on."""
        is_get = scope["type"] == "http" and scope["method"] == "GET"
        if is_get and (found := self._path.match(scope["path"])):
            try:
                answer = await self._answer(found[1], scope["query_string"])
            except (HTTPException, RequestValidationError, InputError, StoreError):
                pass
            else:
                scope["route"] = self
                await _send(send, orjson.dumps(answer))
                return
        await self._app(scope, receive, send)


async def _send(send: Send, body: bytes) -> None:
    head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})
