"""What stands before the application: who may ask, how much, for how long; and what is counted."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from drrec.serving.config import ServeConfig
    from drrec.serving.metrics import Metrics

logger = logging.getLogger(__name__)

ALWAYS = frozenset({"/healthz", "/readyz"})
"""Answered without a token, and however busy the server is."""

UNCOUNTED = ALWAYS | {"/metrics"}

_SAFE: list[tuple[bytes, bytes]] = [
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


_OTHER_HOST = (
    "Expected one of the names of --hosts in the Host header. Received: another. Start the server "
    "with --hosts and the name that clients call it by."
)
_BUSY = (
    "Expected fewer than {} requests at once. Received: more. Try again after the seconds of "
    "Retry-After."
)
_NO_TOKEN = (
    "Expected Authorization: Bearer and the token of DRREC_TOKEN. Received: another or none."
)


class _Refusal(NamedTuple):
    status: int
    reason: str
    message: str


class Guard:
    """ASGI middleware around all of the application."""

    def __init__(
        self, app: ASGIApp, config: ServeConfig, metrics: Metrics, token: str | None
    ) -> None:
        self._app = app
        self._config = config
        self._metrics = metrics
        self._token = None if token is None else token.encode()
        self._hosts = config.allowed_hosts
        self.in_flight = 0
        self._counters: dict[tuple[str, str, int], Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        refused = self._refusal(scope["headers"], path)
        if refused is not None:
            self._metrics.refused.labels(refused.reason).inc()
            await _say(send, refused.status, refused.message, _HEADERS.get(refused.status, ()))
            return
        counts = path not in UNCOUNTED
        began = time.perf_counter()
        sender = _Sender(send)
        if counts:
            self.in_flight += 1
        try:
            await self._answer(scope, _Body(receive, self._config), sender)
        finally:
            if counts:
                self.in_flight -= 1
            self._count(scope, sender.status, time.perf_counter() - began)

    async def _answer(self, scope: Scope, body: _Body, sender: _Sender) -> None:
        config = self._config
        limit = config.answer_seconds + config.body_seconds
        try:
            async with asyncio.timeout(limit):
                await self._app(scope, body.receive, sender.send)
        except TimeoutError:
            logger.warning("%s took more than %g s", scope["path"], limit)
            if not sender.status:
                message = f"Expected an answer within {limit:g} s. Received: none. Try again later."
                await _say(sender.send, 503, message, ((b"retry-after", b"1"),))
        except Exception:  # a bug: the application has said so already, without the traceback
            logger.exception("a fault in answering %s", scope["path"])
            if not sender.status:
                await _say(sender.send, 500, "A fault of the server; its log says more.")

    def _refusal(self, headers: Iterable[tuple[bytes, bytes]], path: str) -> _Refusal | None:
        """For a request that is not let in."""
        given = dict(headers)
        host = _name(given.get(b"host", b"").decode("latin-1"))
        if self._hosts is not None and host not in self._hosts:
            return _Refusal(421, "host", _OTHER_HOST)
        if path in ALWAYS:
            return None
        if self.in_flight >= self._config.max_waiting and path not in UNCOUNTED:
            return _Refusal(429, "busy", _BUSY.format(self._config.max_waiting))
        said = given.get(b"authorization", b"")
        if self._token is not None and not _is_page(path) and not _is_right(said, self._token):
            return _Refusal(401, "token", _NO_TOKEN)
        length = given.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 18 or int(length) > self._config.max_body:
            return _Refusal(413, "body", _too_large(self._config.max_body))
        return None

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path_format", None) or "other"
        key = scope["method"] if route != "other" else "other", route, status
        counters = self._counters.get(key)
        if counters is None:
            method, _, _ = key
            counters = (
                self._metrics.requests.labels(method, route, str(status)),
                self._metrics.seconds.labels(route),
            )
            self._counters[key] = counters
        counters[0].inc()
        counters[1].observe(seconds)


class _Body:
    """A request's body, up to so many bytes and so many seconds."""

    def __init__(self, receive: Receive, config: ServeConfig) -> None:
        self._receive = receive
        self._most = config.max_body
        self._seconds = config.body_seconds
        self._size = 0
        self._is_whole = False
        self._until: float | None = None

    async def receive(self) -> Message:
        if self._is_whole:  # what comes now is that the client has gone
            return await self._receive()
        loop = asyncio.get_running_loop()
        if self._until is None:
            self._until = loop.time() + self._seconds
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError as error:
            raise HTTPException(
                408,
                f"Expected the body within {self._seconds:g} s. Received: a part of it.",
                headers={"connection": "close"},
            ) from error
        self._size += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._size > self._most:
            raise HTTPException(413, _too_large(self._most), headers={"connection": "close"})
        return message


class _Sender:
    """Sends an answer with the headers that every answer has; notes its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *_SAFE]
        await self._send(message)


_HEADERS: dict[int, tuple[tuple[bytes, bytes], ...]] = {
    401: ((b"www-authenticate", b"Bearer"),),
    413: ((b"connection", b"close"),),
    429: ((b"retry-after", b"1"),),
}


async def _say(
    send: Send, status: int, message: str, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    body = orjson.dumps({"error": message})
    length = (b"content-length", str(len(body)).encode())
    head = [(b"content-type", b"application/json"), length, *headers, *_SAFE]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


def _too_large(most: int) -> str:
    return (
        f"Expected a body of at most {most:,} bytes. Received: more. Send less at once, or start "
        "the server with --max-body."
    )


def _is_right(said: bytes, token: bytes) -> bool:
    """Whether an Authorization header has the token; takes as long for every wrong one."""
    scheme, _, given = said.partition(b" ")
    return hmac.compare_digest(given.strip(), token) and scheme.lower() == b"bearer"


def _is_page(path: str) -> bool:
    """Whether a path is of the static page, which holds nothing of anybody."""
    return not path.startswith(("/v1/", "/metrics", "/docs", "/openapi.json"))


def _name(host: str) -> str:
    """The name in a Host header, without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
