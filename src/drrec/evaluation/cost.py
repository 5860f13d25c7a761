"""What it takes to fit and to score: seconds, and the most memory that the process held."""

from __future__ import annotations

import contextlib
import math
import pathlib
import threading
import time
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from drrec.files import write_json
from drrec.reading import read_json

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

FIT = "fit.json"
"""In the folder of a run, and of vectors: a `Cost`, as JSON."""

_STATUS = pathlib.Path("/proc/self/status")
_SECONDS_BETWEEN = 0.02


class Cost(NamedTuple):
    """Of one fit, or of scoring all users of one protocol."""

    seconds: float
    """By the clock."""
    peak_memory: float
    """Bytes of host memory that the whole process held at most meanwhile; NaN off Linux."""

    @classmethod
    def of_seeds(cls, costs: Sequence[Cost]) -> Self:
        """The mean of the seconds, the largest memory."""
        seconds, memory = np.array(costs).T
        return cls(float(seconds.mean()), float(memory.max()))


UNKNOWN = Cost(math.nan, math.nan)


class Watch:
    """Measures the body of a `with`; `cost` is there after it.

    Where the process holds more than ever before, the peak is the kernel's own (`VmHWM`). Else it
    is the largest of samples taken every 20 ms, which may miss what is shorter.
    """

    cost: Cost = UNKNOWN

    def so_far(self) -> Cost:
        """What the body has taken until now."""
        seconds = time.perf_counter() - self._started
        return Cost(seconds, max(self._peak, _bytes("VmRSS")))

    def __enter__(self) -> Self:
        """Start the clock."""
        self._done, self._peak = threading.Event(), _bytes("VmRSS")
        self._record = _bytes("VmHWM")
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it, whatever came."""
        seconds = time.perf_counter() - self._started
        self._done.set()
        self._sampler.join()
        record = _bytes("VmHWM")
        is_record = record > self._record
        self.cost = Cost(seconds, record if is_record else max(self._peak, _bytes("VmRSS")))

    def _sample(self) -> None:
        while not self._done.wait(_SECONDS_BETWEEN):
            self._peak = max(self._peak, _bytes("VmRSS"))


@contextlib.contextmanager
def added_up(path: str | os.PathLike[str], before: Cost) -> Iterator[Callable[[], None]]:
    """Write down what the body took, and `before` it, whether it comes to its end or not.

    The body gets a function that writes down what it took so far: call it where a killed process
    would leave what it did, as with each checkpoint.
    """
    watch = Watch()
    try:
        with watch:
            yield lambda: write_cost(path, total_cost([before, watch.so_far()]))
    finally:
        write_cost(path, total_cost([before, watch.cost]))


def total_cost(costs: Sequence[Cost]) -> Cost:
    """The sum of the seconds, the largest memory."""
    return Cost(sum(each.seconds for each in costs), max(each.peak_memory for each in costs))


def write_cost(path: str | os.PathLike[str], cost: Cost) -> None:
    """Write what `read_cost` reads."""
    write_json(path, cost._asdict())


def read_cost(path: str | os.PathLike[str]) -> Cost:
    """What `added_up` wrote; unknown where there is nothing."""
    if not pathlib.Path(path).exists():
        return UNKNOWN
    number = (float, None)
    content = read_json(path, {key: number for key in Cost._fields})
    return Cost(*(math.nan if content[key] is None else content[key] for key in Cost._fields))


def _bytes(name: str) -> float:
    """A line of the process's status; NaN where there is none."""
    with contextlib.suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return 1024.0 * int(line.split()[1])
    return math.nan
