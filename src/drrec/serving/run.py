"""`serve`: a socket, and one worker or several behind it."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from typing import TYPE_CHECKING

from drrec.errors import InputError
from drrec.serving.server import TOKEN, Job, serve_here
from drrec.serving.store import Store
from drrec.serving.supervisor import Supervisor

if TYPE_CHECKING:
    from drrec.serving.config import ServeConfig
    from drrec.serving.service import Service

logger = logging.getLogger(__name__)

_BACKLOG = 2048


def serve(job: Job) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        InputError: the address is taken, a run cannot be loaded, or the store cannot be opened.
    """
    config = job.config
    with _bound(config.host, config.port) as listening:
        where = _address(listening)
        warn_of_strangers(config)
        if config.workers == 1:
            serve_here(job, listening, lambda service: say(where, _labels(service)))
            return
        Store.open(job.store).close()  # refused once, and made by one process
        Supervisor(job, listening, lambda: say(where, f"{config.workers} workers")).run()


def _labels(service: Service) -> str:
    return ", ".join(each.label for each in service.models.served)


def warn_of_strangers(config: ServeConfig) -> None:
    """Say where others reach the server and no token keeps them out."""
    if not config.is_loopback and not os.environ.get(TOKEN):
        logger.warning("anybody who reaches this machine may ask: set %s", TOKEN)


def say(where: str, what: str) -> None:
    """Say that the server serves."""
    logger.info("serving %s at %s, API at %s/docs; Ctrl-C ends it", what, where, where)


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with contextlib.ExitStack() as unless_bound:
            listening = unless_bound.enter_context(socket.socket(family, kind, protocol))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            unless_bound.pop_all()
    except OSError as error:
        raise InputError(
            f"Expected a free address for --host {host} --port {port}. Received: "
            f"{error.strerror or error}. Choose another --port; 0 takes a free one."
        ) from error
    listening.listen(_BACKLOG)
    listening.setblocking(False)
    listening.set_inheritable(True)
    return listening


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
