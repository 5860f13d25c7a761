"""A pool of workers that keep what is dear to load, and what they make, in order: Ray Data."""

from __future__ import annotations

import logging
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.cluster.tasks import MOST_RETRIES, Setup, set_up
from drrec.errors import InputError, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from drrec.cluster.tasks import Cluster

NUMBERS_AT_ONCE = 4
"""Numbers that a worker is given at a time: what a killed one has to do again."""


def mapped(
    cluster: Cluster,
    make: Callable[..., Callable[[int, int], Sequence[Any]]],
    given: Sequence[Any],
    numbers: range,
    what: str,
) -> Iterator[Any]:
    """What workers make of each number, in the numbers' order.

    Args:
        cluster: as many workers as it has.
        make: makes a worker, of `given`; it takes a range of numbers, first and end, and returns
            what comes of each.
        given: arguments of `make`; they are sent to each machine once.
        numbers: which, one after the other.
        what: the words for what is made.

    Raises:
        InputError: a worker raised one, or workers were killed again and again.
    """
    import ray.data

    if not numbers:
        return
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    starts = range(numbers.start, numbers.stop, NUMBERS_AT_ONCE)
    rows = [{"first": first, "end": min(first + NUMBERS_AT_ONCE, numbers.stop)} for first in starts]
    made = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        _Worker,
        batch_size=None,
        compute=ray.data.ActorPoolStrategy(size=min(cluster.workers, len(rows))),
        fn_constructor_args=(cluster.setup, make, cluster.shared(tuple(given))),
        num_cpus=cluster.cores / 2,  # so that a lost machine's find room among the others
        num_gpus=cluster.cards,
        max_restarts=MOST_RETRIES,
        max_task_retries=-1,  # they are used up before Ray knows that a machine is gone
    )
    try:
        for row in made.iter_rows():
            answer = pickle.loads(row["made"])
            if isinstance(answer, InputError):
                raise answer
            yield from answer
    except ray.exceptions.RayActorError as error:
        raise InputError(
            f"Expected {what} to be made. Received: workers that are killed again and again, "
            f"perhaps for want of memory ({told(error)}). Run this again, with fewer "
            "--ray-workers: it goes on where it stopped."
        ) from error


class _Worker:
    """One of the pool; what it raises it hands on, for Ray would wrap it."""

    def __init__(self, setup: Setup, make: Callable[..., Any], given: Any) -> None:
        import ray

        set_up(setup)
        self._refusal: InputError | None = None
        try:
            self._make = make(*ray.get(given))
        except InputError as error:
            self._refusal = error

    def __call__(self, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        made = [
            self._answer(int(first), int(end)) for first, end in zip(*rows.values(), strict=True)
        ]
        found = np.empty(len(made), object)
        found[:] = [pickle.dumps(each) for each in made]
        return {"made": found}

    def _answer(self, first: int, end: int) -> Any:
        if self._refusal is not None:
            return self._refusal
        try:
            return list(self._make(first, end))
        except InputError as error:
            return error
