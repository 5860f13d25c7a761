"""Decoding ahead of the encoder, in processes of their own that can be ended, in order."""

from __future__ import annotations

import collections
import contextlib
import functools
import multiprocessing
import os
import pathlib
import queue
import resource
import signal
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import connection
from typing import TYPE_CHECKING, NamedTuple

from drrec.errors import InputError
from drrec.features.media import NO_MEMORY, Unusable
from drrec.features.processors import Prepared, Processor, ProcessorConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from multiprocessing.context import ForkServerProcess

_AHEAD = 4
"""Items for each process that may be decoded and not yet encoded."""
_LOADED_ONCE = (
    "av",
    "transformers.models.auto.feature_extraction_auto",
    "transformers.models.auto.image_processing_auto",
    "drrec.features.processors",
)
"""What takes seconds to load: a server has it, and each process begins as its copy."""

Files = tuple[str, ...]


class Decoded(NamedTuple):
    """What came of a file, or of an item's files: arrays, or the reason why there are none."""

    prepared: Prepared | None
    reason: str


def decode(processor: Processor, files: Files) -> Decoded:
    """Prepare the first file that can be."""
    return _first(files, functools.partial(attempt, processor))


def attempt(processor: Processor, name: str) -> Decoded:
    """Prepare one file."""
    try:
        return Decoded(processor(pathlib.Path(name)), "")
    except Unusable as error:
        return Decoded(None, str(error))
    except MemoryError:
        return Decoded(None, NO_MEMORY)


def _first(files: Files, made_of: Callable[[str], Decoded]) -> Decoded:
    reasons = []
    for name in files:
        made = made_of(name)
        if made.prepared is not None:
            return made
        reasons.append(f"{pathlib.Path(name).name}: {made.reason}")
    return Decoded(None, "; ".join(reasons) or "no file")


class Decoders:
    """Processes that decode; a file that kills one, or takes too long, costs its own item only."""

    def __init__(self, config: ProcessorConfig, workers: int | None) -> None:
        """Begin `workers` processes, by default as many as there are cores but one."""
        self._size = workers or max((os.cpu_count() or 2) - 1, 1)
        self._processes = [_Process(config) for _ in range(self._size)]
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        for process in self._processes:
            self._idle.put(process)
        self._threads = ThreadPoolExecutor(self._size)  # each waits for one process

    def close(self) -> None:
        """End the processes, whatever they are at."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.close()
        self._threads.shutdown(wait=True)

    def decoded(self, items: Iterable[Files]) -> Iterator[Decoded]:
        """What comes of each item's files, in their order, decoded ahead.

        Raises:
            InputError: the processor cannot be loaded, or no process can be begun.
        """
        waiting: collections.deque[Future[Decoded]] = collections.deque()
        for files in items:
            waiting.append(self._threads.submit(self._item, files))
            if len(waiting) >= _AHEAD * self._size:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _item(self, files: Files) -> Decoded:
        process = self._idle.get()
        try:
            return _first(files, process.decoded)
        finally:
            self._idle.put(process)


class _Process:
    """One process at a time; the next is begun where one had to be ended."""

    def __init__(self, config: ProcessorConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._is_closed = self._is_ready = False
        self._pipe, self._process = self._begun()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            self._end()

    def decoded(self, name: str) -> Decoded:
        """What comes of a file; of one at which the process dies twice, that it crashed."""
        for _ in range(2):  # the system may have killed it for want of memory: not this file's
            try:
                return self._answer(name)
            except (EOFError, OSError):
                self._begin_anew()
        return Decoded(None, "the decoder crashed on it")

    def _answer(self, name: str) -> Decoded:
        self._wait_until_ready()
        self._pipe.send(name)
        limit = self._config.limits.timeout
        if self._pipe.poll(limit):
            return self._pipe.recv()
        self._begin_anew()
        return Decoded(None, f"decoding took longer than {limit:g} seconds (--decode-timeout)")

    def _wait_until_ready(self) -> None:
        if self._is_ready:
            return
        try:
            refused = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise InputError(
                "Expected a decoding process to begin. Received: it was killed, perhaps for want "
                "of memory. Run this again with fewer --workers: it goes on where it stopped."
            ) from error
        if refused:
            raise InputError(refused)
        self._is_ready = True

    def _begun(self) -> tuple[connection.Connection, ForkServerProcess]:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(_LOADED_ONCE))
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._config), daemon=True)
        with _one_thread_each():
            process.start()
        theirs.close()  # so that its end is the end of the pipe
        return ours, process

    def _begin_anew(self) -> None:
        with self._lock:
            if not self._is_closed:
                self._end()
                self._is_ready = False
                self._pipe, self._process = self._begun()

    def _end(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _serve(pipe: connection.Connection, config: ProcessorConfig) -> None:
    """What a process does: say that it is ready, then a file's arrays for each name it is sent."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, too, and ends this one
    import av

    av.logging.set_level(av.logging.PANIC)
    warnings.simplefilter("ignore")
    try:
        processor = config.load()
    except InputError as error:
        pipe.send(str(error))
        return
    _limit_memory(config.limits.memory)
    pipe.send("")
    with contextlib.suppress(EOFError, OSError):  # the parent is through
        while True:
            name = pipe.recv()
            try:
                made = attempt(processor, name)
            except Exception as error:
                # Libraries raise whatever they like at a hostile file; it costs that file alone.
                line = " ".join(f"{type(error).__name__}: {error}".split())[:200]
                made = Decoded(None, f"the decoder failed ({line})")
            pipe.send(made)


def _limit_memory(gib: float) -> None:
    """From here on `gib` more; what asks for more than that gets a MemoryError."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):  # it is Linux that tells and limits
        status = pathlib.Path("/proc/self/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmData:"))
        limit = int(line.split()[1]) * 1024 + int(gib * 2**30)
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        if most == resource.RLIM_INFINITY or limit < most:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _end_with_parent() -> None:
    """A parent that is killed takes nobody along; its children would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


_ENVIRONMENT = threading.Lock()


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    names: Sequence[str] = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    with _ENVIRONMENT:
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
