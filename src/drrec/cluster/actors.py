"""Workers that keep what is dear to make between calls; one that is killed is begun anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from drrec.cluster.tasks import MOST_RETRIES, Answer, Setup, answered, received
from drrec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drrec.cluster.tasks import Cluster


class Actors:
    """Workers that are called all at once, until the end of a `with`.

    One that is killed is made again with what it was made of, and its call with it: a call must
    depend on nothing that earlier ones have left.
    """

    def __init__(
        self,
        cluster: Cluster,
        make: Callable[..., Callable[..., Any]],
        given: Sequence[Any],
        count: int,
        what: str,
    ) -> None:
        """Begin them.

        Args:
            cluster: where there is room for so many.
            make: makes a worker, of its number and of `given`.
            given: arguments of `make`; they are sent to each machine once.
            count: how many.
            what: the words for one of them.

        Raises:
            InputError: there is no room.
        """
        import ray

        if count > cluster.workers:
            raise InputError(
                f"Expected a cluster with room for {count}, each {what}. Received: room for "
                f"{cluster.workers}. Ask for fewer, pass fewer --ray-cores, or begin more machines."
            )
        self._cluster, self._what = cluster, what
        self._given = [cluster.shared(each) for each in given]
        options: dict[str, Any] = {
            "num_cpus": cluster.cores / 2,  # so that a lost machine's find room among the others
            "num_gpus": cluster.cards,
            "max_restarts": MOST_RETRIES,
            "max_task_retries": -1,  # they are used up before Ray knows that a machine is gone
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
        """
        import ray

        one = self._cluster.shared(shared)
        calls = [w.call.remote(one, own) for w, own in zip(self._workers, each, strict=True)]
        return lambda: [received(ray, call, self._what) for call in calls]

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
        self._made = answered(setup, make, number, *ray.get(given))

    def call(self, *arguments: Any) -> Answer:
        if isinstance(self._made.value, InputError):
            return self._made
        return answered(self._setup, self._made.value, *arguments)
