"""Processes that learn together: gradients averaged by MultiWorkerMirroredStrategy.

TensorFlow joins them before its first operation in a process, so nothing is imported here that
makes one: what is to be made comes with what it is made of.
"""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any

from drrec.cluster.actors import Actors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drrec.cluster.tasks import Cluster


class Group:
    """Workers that have joined, and whose methods are called all at once."""

    def __init__(
        self, cluster: Cluster, make: Callable[..., Any], given: Sequence[Any], count: int
    ) -> None:
        """Begin and join them.

        Args:
            cluster: where there is room for so many.
            make: makes a worker, of its number, of how many there are, of the function that
                averages tensors over them, and of `given`.
            given: the further arguments of `make`; they are sent to each machine once.
            count: how many.

        Raises:
            InputError: there is no room.
            LostError: one was killed, here or in a call.
        """
        given = (make, *given)
        self._actors = Actors(cluster, _Member, given, count, "a process", anew=False)
        try:
            addresses = self("address", [()] * count)
            self("join", [(addresses,)] * count)
        except BaseException:
            self.close()
            raise

    def __call__(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call a method of each worker with its own arguments."""
        return self._actors.begin(method, arguments)()

    def close(self) -> None:
        """End all."""
        self._actors.__exit__()


class _Member:
    """One of them."""

    def __init__(self, rank: int, given: Callable[[], Any]) -> None:
        self._rank, self._given, self._made = rank, given, None

    def __call__(self, method: str, arguments: tuple[Any, ...]) -> Any:
        return getattr(self if self._made is None else self._made, method)(*arguments)

    def address(self) -> str:
        return free_address()

    def join(self, addresses: list[str]) -> None:
        averaged = averaging(addresses, self._rank)
        make, *given = self._given()
        self._made = make(self._rank, len(addresses), averaged, *given)


def free_address() -> str:
    """An address of this machine, as other machines reach it, at a port that nobody listens at."""
    import ray

    host = ray.util.get_node_ip_address()
    with socket.create_server((host, 0)) as listening:
        return f"{host}:{listening.getsockname()[1]}"


def averaging(addresses: Sequence[str], rank: int) -> Callable[[Sequence[Any]], list[Any]]:
    """Join the processes at `addresses`, of which this is number `rank`, before TensorFlow is used.

    Returns:
        The mean of tensors over all processes, which call it in the same order. XLA has no such
        operation on the processor, so it is for a `tf.function` that is not compiled.
    """
    task = {"type": "worker", "index": rank}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": [*addresses]}, "task": task})
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()

    def mean(*tensors: tf.Tensor) -> list[tf.Tensor]:
        here = [tf.identity(each) for each in tensors]  # on this process's device
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, here)

    def averaged(tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """One exchange for all: each costs as much as a small network's gradient."""
        flat = tf.concat([tf.reshape(each, [-1]) for each in tensors], axis=0)
        [flat] = strategy.run(mean, (flat,))
        parts = tf.split(flat, [tf.size(each) for each in tensors])
        return [tf.reshape(p, tf.shape(e)) for p, e in zip(parts, tensors, strict=True)]

    return averaged
