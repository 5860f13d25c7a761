"""`serve --ray`: the application in replicas on a cluster, behind one address on each machine."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

from drrec.cluster.replicas import serve_replicas
from drrec.errors import InputError, shown
from drrec.serving.app import application
from drrec.serving.run import say, warn_of_strangers
from drrec.serving.server import TOKEN, Job, made_service

if TYPE_CHECKING:
    from drrec.cluster.config import ReplicaConfig
    from drrec.cluster.tasks import Cluster


def serve_apart(job: Job, cluster: Cluster, config: ReplicaConfig) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Each replica looks for a newer run by itself, every `--watch` seconds.

    Raises:
        InputError: a run cannot be loaded, the store cannot be opened, or it is a file where there
            are several machines.
        KeyboardInterrupt: it was ended.
    """
    if cluster.machines > 1 and "://" not in job.store:
        raise InputError(
            f"Expected a store that {cluster.machines} machines reach. Received: "
            f"{shown(job.store)}, a file. Pass --store postgresql://user@host/name."
        )
    if not job.config.port:
        raise InputError("Expected a --port with --ray. Received: 0. All machines listen at it.")
    made_service(job).close()  # refused once, and the store is made by one process
    warn_of_strangers(job.config)
    host, port = job.config.host, job.config.port
    where = f"http://{host}:{port}"
    told = f"{config.replicas} to {config.most_replicas or config.replicas} replicas"
    make = functools.partial(_made, job, os.environ.get(TOKEN) or None)
    serve_replicas(cluster, config, make, (host, port), lambda: say(where, told))


def _made(job: Job, token: str | None) -> Any:
    return application(made_service(job), token)
