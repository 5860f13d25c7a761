"""Replicas of a web application behind one address, as many as the load asks for: Ray Serve."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from drrec.cluster.tasks import MOST_RETRIES, Cluster, set_up
from drrec.errors import InputError, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.cluster.config import ReplicaConfig

logger = logging.getLogger(__name__)

_NAME = "drrec"
_BETWEEN_LOOKS = 1.0


def serve_replicas(
    cluster: Cluster,
    config: ReplicaConfig,
    make: Callable[[], Any],
    address: tuple[str, int],
    ready: Callable[[], None],
) -> None:
    """Serve until SIGTERM or Ctrl-C; a replica that dies is begun anew.

    Args:
        cluster: where replicas run.
        config: how many.
        make: makes an ASGI application, in each replica.
        address: host and port that each machine of the cluster listens at.
        ready: called once the first replicas serve.

    Raises:
        InputError: replicas cannot begin.
        KeyboardInterrupt: it was ended.
    """
    from ray import serve
    from ray.serve.config import HTTPOptions

    host, port = address
    where = "EveryNode" if cluster.machines > 1 else "HeadOnly"
    serve.start(http_options=HTTPOptions(host=host, port=port), proxy_location=where)
    try:
        application = serve.deployment(
            name=_NAME,
            max_ongoing_requests=config.most_in_flight,
            autoscaling_config={
                "min_replicas": config.replicas,
                "max_replicas": config.most_replicas or config.replicas,
                "target_ongoing_requests": config.replica_load,
            },
            max_constructor_retry_count=MOST_RETRIES,
            ray_actor_options={"num_cpus": cluster.cores},
        )(serve.ingress(_made(cluster, make))())
        _run(serve, application)
        ready()
        while True:
            time.sleep(_BETWEEN_LOOKS)
    finally:
        serve.shutdown()


def _run(serve: Any, application: Any) -> None:
    try:
        serve.run(application.bind(), name=_NAME, route_prefix="/")
    except RuntimeError as error:
        status = serve.status().applications.get(_NAME)
        reason = told(error) if status is None else told(RuntimeError(status.message), 600)
        raise InputError(
            f"Expected replicas that begin. Received: {reason}. Mend that, and begin again."
        ) from error


def _made(cluster: Cluster, make: Callable[[], Any]) -> Callable[[], Any]:
    def made() -> Any:
        set_up(cluster.setup)
        return make()

    return made
