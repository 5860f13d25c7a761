"""One worker: uvicorn around the application."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import logging
import os
from typing import TYPE_CHECKING, Any

import uvicorn

from drrec.serving.app import application
from drrec.serving.config import ServeConfig
from drrec.serving.metrics import Metrics
from drrec.serving.models import Models, Source
from drrec.serving.protocol import within
from drrec.serving.service import Service
from drrec.serving.store import Store
from drrec.serving.writer import Writer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)

TOKEN = "DRREC_TOKEN"
"""Variable with the token that clients have to show."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker is to serve."""

    config: ServeConfig
    main: Source
    also: Source | None
    store: str
    limits: dict[str, int] = dataclasses.field(default_factory=dict)
    """Of what the run's files may hold."""

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Job:
        """From plain values."""
        also = values["also"]
        return cls(
            config=ServeConfig(**values["config"]),
            main=Source(**values["main"]),
            also=None if also is None else Source(**also),
            store=values["store"],
            limits=values["limits"],
        )


def made_service(job: Job) -> Service:
    """Load the models and open the store.

    Raises:
        InputError: one of them cannot be.
    """
    metrics = Metrics()
    models = Models(job.main, job.also, job.config.share, metrics.batch_size.observe)
    store = Store.open(job.store)
    service = Service(job.config, models, store, Writer(store), metrics)
    service.look_for_items()
    return service


def serve_here(job: Job, listening: socket.socket, ready: Callable[[Service], None]) -> None:
    """Serve in this process until SIGTERM or SIGINT; what was accepted is answered and stored.

    Raises:
        InputError: a model cannot be loaded, or the store cannot be opened.
    """
    service = made_service(job)
    config = uvicorn.Config(
        application(service, os.environ.get(TOKEN) or None),
        http=within(job.config.header_seconds),
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=max(1, round(job.config.stop_seconds)),
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    _Server(config, lambda: ready(service)).run(sockets=[listening])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        gc.collect()
        gc.freeze()  # models and code stay: a full collection would look through them again
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()  # to end by SIGTERM is to end well
