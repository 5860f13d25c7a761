"""Gradients averaged over processes by TensorFlow's MultiWorkerMirroredStrategy."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


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
