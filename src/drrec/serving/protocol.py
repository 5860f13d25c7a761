"""HTTP connections that end where a client takes too long to send the head of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio


MOST_BYTES = 1 << 16
"""Bytes of a request's head."""

_TOO_LONG = "Expected a shorter head of the request."


def within(seconds: float) -> type[HttpToolsProtocol]:
    """The protocol of uvicorn with limits on the head of a request.

    Args:
        seconds: from the connection, or the first byte of a later request, to the end of the head.
    """
    return type(_Timed.__name__, (_Timed,), {"seconds": seconds})


class _Timed(HttpToolsProtocol):
    seconds: float
    _deadline: asyncio.TimerHandle | None = None
    _size = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._begin()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._deadline is not None and not self.transport.is_closing():
            self._size += len(data)
            if self._size > MOST_BYTES:
                self.send_400_response(_TOO_LONG)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._begin()

    def on_headers_complete(self) -> None:
        self._end()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

    def _begin(self) -> None:
        self._size = 0
        self._deadline = self.loop.call_later(self.seconds, self.timeout_keep_alive_handler)

    def _end(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
