"""Decoding ahead of the encoder, in processes of their own, in order."""

from __future__ import annotations

import collections
import contextlib
import multiprocessing
import os
import pathlib
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import TYPE_CHECKING, NamedTuple

from drrec.features.media import Unusable
from drrec.features.processors import Prepared, Processor, ProcessorConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Future

_AHEAD = 4
"""Files for each process that may be decoded and not yet encoded."""

Files = tuple[str, ...]


class Decoded(NamedTuple):
    """What came of an item's files: arrays, or the reason why none of them gave any."""

    prepared: Prepared | None
    reason: str


def decode(processor: Processor, files: Files) -> Decoded:
    """Prepare the first file that can be."""
    reasons = []
    for name in files:
        try:
            return Decoded(processor(pathlib.Path(name)), "")
        except Unusable as error:
            reasons.append(f"{pathlib.Path(name).name}: {error}")
    return Decoded(None, "; ".join(reasons) or "no file")


class Decoders:
    """A pool of processes; a file that kills one is found out and left."""

    def __init__(self, config: ProcessorConfig, workers: int | None) -> None:
        self._config = config
        self._size = workers or max((os.cpu_count() or 2) - 1, 1)
        self._pool = self._started(self._size)

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def decoded(self, items: Iterable[Files]) -> Iterator[Decoded]:
        """What comes of each item's files, in their order, decoded ahead."""
        waiting: collections.deque[tuple[Files, Future[Decoded]]] = collections.deque()
        for files in items:
            waiting.append((files, self._pool.submit(_decode_here, files)))
            if len(waiting) >= _AHEAD * self._size:
                yield self._next(waiting)
        while waiting:
            yield self._next(waiting)

    def _next(self, waiting: collections.deque[tuple[Files, Future[Decoded]]]) -> Decoded:
        files, future = waiting.popleft()
        try:
            return future.result()
        except BrokenProcessPool:
            result = self._alone(files)
            self._pool = self._started(self._size)
            again = [(later, self._pool.submit(_decode_here, later)) for later, _ in waiting]
            waiting.clear()
            waiting.extend(again)
            return result

    def _alone(self, files: Files) -> Decoded:
        """The same in a process for it alone: if that dies, it was this file."""
        with self._started(1) as pool:
            try:
                return pool.submit(_decode_here, files).result()
            except BrokenProcessPool:
                names = ", ".join(pathlib.Path(name).name for name in files)
                return Decoded(None, f"{names}: the decoder crashed on it")

    def _started(self, size: int) -> ProcessPoolExecutor:
        with _one_thread_each():
            pool = ProcessPoolExecutor(
                size,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(self._config,),
            )
            for _ in range(size):
                pool.submit(os.getpid)  # begin now, while the encoder is loaded
        return pool


_PROCESSOR: list[Processor] = []
"""Of this process: loaded once, when it begins."""


def _begin(config: ProcessorConfig) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import av

    av.logging.set_level(av.logging.PANIC)
    warnings.simplefilter("ignore")
    _PROCESSOR[:] = [config.load()]


def _decode_here(files: Files) -> Decoded:
    return decode(_PROCESSOR[0], files)


def _end_with_parent() -> None:
    """A parent that is killed takes nobody along; its children would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    names: Sequence[str] = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
