"""Calls that a cluster makes beside each other, and makes again where a worker is killed."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import logging
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from drrec.errors import InputError, told
from drrec.limits import Limits, hold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

logger = logging.getLogger(__name__)

MOST_RETRIES = 5
"""How often a call is made again whose worker was killed."""

_PATIENCE = 60.0
"""Seconds for calls to write down what they have, once they are asked to end."""


class Interrupted(Exception):
    """A worker was asked to end, as a machine does that shuts down; its call is made again."""


@dataclasses.dataclass(frozen=True)
class Setup:
    """What a worker does before its first call."""

    limits: Limits
    folder: str
    """The working folder, for paths that are relative to it."""
    begin: Callable[[], object]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cluster:
    """What there is of a cluster for one command."""

    machines: int
    workers: int
    """Calls at a time."""
    cores: int
    """Of each call."""
    cards: int
    """GPUs of each call."""
    threads: int | None
    """Of each call; None is as many as this process has."""
    setup: Setup

    def shared(self, value: Any) -> Any:
        """A value that many calls take: it is sent to each machine once."""
        import ray

        return ray.put(value)

    def results(
        self, function: Callable[..., Any], calls: Iterable[Sequence[Any]], what: str
    ) -> Iterator[tuple[int, Any]]:
        """Make the calls beside each other; a call whose worker is killed is made again.

        Args:
            function: of a module, and one that goes on where a killed call of it stopped.
            calls: the arguments of each call, asked for as a worker is free; what `shared` gave
                stands for its value.
            what: the words for one of them.

        Yields:
            The number of a call and what it returned, as they end.

        Raises:
            InputError: a call raised one, or its worker was killed again and again.
        """
        import ray

        options: dict[str, Any] = {
            "num_cpus": self.cores,
            "num_gpus": self.cards,
            "max_retries": MOST_RETRIES,
            "retry_exceptions": [Interrupted],
            "scheduling_strategy": "SPREAD",
        }
        answer = ray.remote(**options)(answered)
        setup = self.shared(self.setup)
        waiting = enumerate(calls)
        running: dict[Any, int] = {}
        try:
            while True:
                free = self.workers - len(running)
                for number, arguments in itertools.islice(waiting, free):
                    running[answer.remote(setup, function, *arguments)] = number
                if not running:
                    return
                (ended,), _ = ray.wait([*running])
                number = running.pop(ended)
                yield number, received(ray, ended, what)
        finally:
            if running:
                # Ray ends the process where a call that has ended is cancelled before it knows.
                _, left = ray.wait([*running], num_returns=len(running), timeout=0)
                for each in left:
                    ray.cancel(each)
                ray.wait([*running], num_returns=len(running), timeout=_PATIENCE)


def received(ray: Any, reference: Any, what: str) -> Any:
    """What a call returned, whose worker's warnings are this process's.

    Raises:
        InputError: it raised one, or its worker was killed again and again.
    """
    try:
        answer = ray.get(reference)
    except (ray.exceptions.RayTaskError, ray.exceptions.TaskCancelledError):
        raise  # a bug
    except ray.exceptions.RayError as error:
        raise InputError(
            f"Expected {what} to end. Received: its worker was killed {MOST_RETRIES + 1} times, "
            f"perhaps for want of memory ({told(error)}). Run this again, with fewer "
            "--ray-workers: it goes on where it stopped."
        ) from error
    for level, text in answer.said:
        logger.log(level, "%s", text)
    if isinstance(answer.value, InputError):
        raise answer.value
    return answer.value


class Answer(NamedTuple):
    """What came of a call in a worker."""

    value: Any
    """What it returned, or the `InputError` that it raised."""
    said: list[tuple[int, str]]
    """Warnings that it logged, and their levels."""


class _Warnings(logging.Handler):
    """Keeps warnings for the driver: a worker has no console."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append((record.levelno, record.getMessage()))


_is_set_up = False


def answered(setup: Setup, function: Callable[..., Any], *arguments: Any) -> Answer:
    """In a worker: make a call; an `InputError` is an answer, for Ray would wrap it."""
    set_up(setup)
    warnings = _Warnings()
    logging.getLogger("drrec").addHandler(warnings)
    try:
        return Answer(function(*arguments), warnings.said)
    except InputError as error:
        return Answer(error, warnings.said)
    finally:
        logging.getLogger("drrec").removeHandler(warnings)


def set_up(setup: Setup) -> None:
    """In a worker: have the driver's limits and working folder, and begin."""
    global _is_set_up
    hold(setup.limits)
    if not _is_set_up:
        with contextlib.suppress(OSError):  # this machine has no such folder
            os.chdir(setup.folder)
        setup.begin()
        _is_set_up = True
