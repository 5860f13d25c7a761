"""Answers: JSON by orjson, and refusals in one line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from drrec.errors import InputError, shown
from drrec.serving.faults import StoreError
from drrec.serving.service import refused

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from fastapi import FastAPI


class Json(Response):
    """Strict JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """As bytes; what is not a finite number is null."""
        return orjson.dumps(content)


class _Strict(Request):
    async def json(self) -> Any:
        """The body, without NaN, infinities, lone surrogates or deep nesting."""
        body = await self.body()
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise json.JSONDecodeError(error.msg, "", 0) from error


class StrictRoute(APIRoute):
    """A route whose bodies are read by orjson, and that knows the names in its query."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler."""
        handler = super().get_route_handler()
        names = sorted(each.alias for each in self.dependant.query_params)
        checks_itself = self.openapi_extra is not None  # by a form, `asking.checked`

        async def strict(request: Request) -> Response:
            has_none = checks_itself or not request.scope["query_string"]
            for name in () if has_none else request.query_params:
                if name not in names:
                    known = ", ".join(names) or "none"
                    raise HTTPException(
                        422, f"Expected known names in query: {known}. Received: {shown(name)}."
                    )
            return await handler(_Strict(request.scope, request.receive))

        return strict


class _Raw(Convertor[str]):
    """An id in a path: anything, slashes and new lines, too."""

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("id", _Raw())


def refuse_in_one_line(app: FastAPI) -> None:
    """Have every error answered by `{"error": line}`."""
    handlers: dict[Any, Any] = {
        HTTPException: _http,
        RequestValidationError: _invalid,
        InputError: _input,
        StoreError: _store,
        Exception: _fault,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


async def _http(request: Request, error: HTTPException) -> Response:
    message = error.detail
    if error.status_code == 404 and message == "Not Found":
        message = (
            f"Expected a path of /docs. Received: {shown(request.url.path)}, which is none of them."
        )
    elif error.status_code == 405:
        message = f"Expected another method for this path. Received: {shown(request.method)}."
    return Json({"error": str(message)}, error.status_code, headers=error.headers)


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    return Json({"error": _line(error.errors())}, 422)


def _line(errors: Sequence[Any]) -> str:
    first = errors[0]
    where = ".".join(str(each) for each in first["loc"][1:] if first["type"] != "json_invalid")
    source = {"query": "query", "path": "path", "body": "the body"}.get(str(first["loc"][0]), "")
    place = f"{shown(where)[1:-1]} in {source}" if where else source
    if first["type"] == "json_invalid":
        said = first.get("ctx", {}).get("error", "")
        return f"Expected JSON in the body. Received: what is none, {said}."
    message = str(first["msg"]).removeprefix("Value error, ")
    more = f" There are {len(errors) - 1} more faults." if len(errors) > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"Expected known names in {source}. Received: {shown(where)}.{more}"
    if first["type"] == "missing":
        return f"Expected {place}. Received: none.{more}"
    received = shown(_plain(first.get("input")))
    return f"Expected another value for {place}: {message}. Received: {received}.{more}"


def _plain(received: Any) -> Any:
    if isinstance(received, bytes):
        return received[:200].decode("utf-8", "replace")
    return received


async def _input(request: Request, error: InputError) -> Response:
    return Json({"error": str(error)}, 422)


async def _store(request: Request, error: StoreError) -> Response:
    return await _http(request, refused(error))


async def _fault(request: Request, error: Exception) -> Response:
    return Json({"error": "A fault of the server; its log says more."}, 500)
