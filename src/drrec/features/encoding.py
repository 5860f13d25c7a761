"""Batches of a modality, encoded in this process or in the workers of a cluster."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

import torch

from drrec.cluster.pool import mapped
from drrec.errors import InputError
from drrec.features.encoders import Encoder
from drrec.features.plan import versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drrec.cluster.tasks import Cluster
    from drrec.features.journal import Batch
    from drrec.features.plan import Task


def batches(task: Task, first: int, cluster: Cluster | None) -> Iterator[Batch]:
    """The batches of a task from number `first` on, in order: the same ones, wherever made.

    Raises:
        InputError: the model cannot be loaded, or a worker of the cluster has another one.
    """
    numbers = range(first, len(task.work.groups))
    if cluster is not None:
        threads = cluster.threads or torch.get_num_threads()
        yield from mapped(cluster, Worker, (task, versions(), threads), numbers, "features")
    elif numbers:
        with contextlib.closing(task.work):
            yield from task.work.batches(Encoder(task.encoder), numbers)


class Worker:
    """An encoder in a worker, with decoders of its own where there are media."""

    def __init__(self, task: Task, libraries: dict[str, str], threads: int) -> None:
        """Load it.

        Args:
            task: what is encoded.
            libraries: versions that the worker has to have, for the same features.
            threads: of PyTorch.

        Raises:
            InputError: it has other versions, or the model is another one.
        """
        if versions() != libraries:
            raise InputError(
                f"Expected the same libraries on all machines, {libraries}. Received: {versions()}."
                " Install the same versions on each."
            )
        torch.set_num_threads(threads)
        card = "cuda:0" if task.encoder.device.startswith("cuda") else task.encoder.device
        self._encoder = Encoder(dataclasses.replace(task.encoder, device=card))
        if self._encoder.weights_sha256 != task.weights_sha256:
            raise InputError(
                f"Expected {task.encoder.what} in {task.encoder.folder} to be the same on all "
                "machines. Received: other weights. Put it into a folder that all share."
            )
        self._work = task.work

    def __call__(self, first: int, end: int) -> list[Batch]:
        """The batches of these numbers."""
        return list(self._work.batches(self._encoder, range(first, end)))
