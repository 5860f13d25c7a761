"""Workers that keep what is dear to make between calls."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Self

from drrec.cluster.tasks import MOST_RETRIES, Answer, Setup, answered, received
from drrec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drrec.cluster.tasks import Cluster

_PATIENCE = 60.0
"""Seconds in which it shows that a worker failed because another is gone."""


class LostError(Exception):
    """A worker is gone, and what it kept with it."""


class Actors:
    """Workers that are called all at once, until the end of a `with`."""

    def __init__(
        self,
        cluster: Cluster,
        make: Callable[..., Callable[..., Any]],
        given: Sequence[Any],
        count: int,
        what: str,
        *,
        anew: bool = True,
    ) -> None:
        """Begin them.

        Args:
            cluster: where there is room for so many.
            make: makes a worker, of its number and of a function that fetches `given`.
            given: it is sent to each machine once.
            count: how many.
            what: the words for one of them.
            anew: one that is killed is made again, and its call with it, which then must depend on
                nothing that earlier ones have left. Otherwise calls raise `LostError`.

        Raises:
            InputError: there is no room.
        """
        import ray

        if count > cluster.workers:
            raise InputError(
                f"Expected a cluster with room for {count}, each {what}. Received: room for "
                f"{cluster.workers}. Ask for fewer, pass fewer --ray-cores, or begin more machines."
            )
        self._cluster, self._what, self._anew = cluster, what, anew
        self._given = [cluster.shared(each) for each in given]
        options: dict[str, Any] = {
            "num_cpus": cluster.cores / 2,  # so that a lost machine's find room among the others
            "num_gpus": cluster.cards,
            "max_restarts": MOST_RETRIES if anew else 0,
            # Not as many: they are used up before Ray knows that a machine is gone.
            "max_task_retries": -1 if anew else 0,
            "scheduling_strategy": "SPREAD",
        }
        worker: Any = ray.remote(**options)(_Worker)
        self._workers: list[Any] = [
            worker.remote(cluster.setup, make, number, self._given) for number in range(count)
        ]

    def begin(self, shared: Any, each: Sequence[Any]) -> Callable[[], list[Any]]:
        """Call every worker with `shared` and its own of `each`; the answer waits for all.

        Raises:
            InputError: a worker raised one, or was killed again and again; when it is waited for.
            LostError: a worker was killed, and is not made again; likewise.
        """
        one = self._cluster.shared(shared)
        calls = [w.call.remote(one, own) for w, own in zip(self._workers, each, strict=True)]
        return functools.partial(self._answers, calls)

    def _answers(self, calls: list[Any]) -> list[Any]:
        import ray

        if not self._anew:
            self._see_all(calls)
        return [received(ray, call, self._what) for call in calls]

    def _see_all(self, calls: list[Any]) -> None:
        """Wait for all; once one has failed, no longer than it takes to see that one is gone."""
        import ray

        left, patience = calls, None
        while left:
            ended, left = ray.wait(left, timeout=patience)
            if not ended:
                return
            try:
                ray.get(ended[0])
            except ray.exceptions.RayTaskError:
                patience = _PATIENCE
            except ray.exceptions.RayError as error:
                raise LostError(self._what) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        for worker in self._workers:
            ray.kill(worker)


class _Worker:
    """One of them."""

    def __init__(
        self, setup: Setup, make: Callable[..., Any], number: int, given: Sequence[Any]
    ) -> None:
        import ray

        self._setup = setup
        self._made = answered(setup, make, number, lambda: ray.get(given))

    def call(self, *arguments: Any) -> Answer:
        if isinstance(self._made.value, InputError):
            return self._made
        return answered(self._setup, self._made.value, *arguments)
