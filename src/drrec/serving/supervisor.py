"""Several workers behind one socket: begun, begun again where one dies, and ended together."""

from __future__ import annotations

import json
import logging
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
from typing import IO, TYPE_CHECKING, cast

import drrec
from drrec.errors import InputError
from drrec.serving.counting import counting_folder
from drrec.serving.metrics import SHARED
from drrec.serving.operating import SUPERVISOR

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from drrec.serving.server import Job

logger = logging.getLogger(__name__)

_REFUSED = 2
_PAUSE = 0.2
_BETWEEN_STARTS = 1.0
_GRACE = 5.0


class _Worker:
    """A process, and whether it has begun to serve."""

    def __init__(self, job: Job, listening: socket.socket, folder: str) -> None:
        self.began = time.monotonic()
        self.is_ready = False
        source = str(pathlib.Path(drrec.__file__).parents[1])
        path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH", "")]))
        variables = {"PYTHONPATH": path, SHARED: folder, SUPERVISOR: str(os.getpid())}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "drrec.serving.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | variables,
            pass_fds=[listening.fileno()],
        )
        given = json.dumps({"socket": listening.fileno(), "job": job.as_json()})
        self._input, said = cast("IO[bytes]", self.process.stdin), self.process.stdout
        self._input.write(f"{given}\n".encode())
        self._input.flush()
        threading.Thread(target=self._listen, args=(said,), daemon=True).start()

    def _listen(self, said: IO[bytes]) -> None:
        with said:
            for _ in said:
                self.is_ready = True

    def close(self) -> None:
        """Close what it was told by; a process that is left ends then."""
        self._input.close()


class Supervisor:
    """Runs the workers of a job until SIGTERM or SIGINT; SIGHUP is passed on to them."""

    def __init__(self, job: Job, listening: socket.socket, ready: Callable[[], None]) -> None:
        self._job = job
        self._socket = listening
        self._ready = ready
        self._stops = threading.Event()
        self._folder = ""
        self._workers: list[_Worker] = []

    def run(self) -> None:
        """Serve.

        Raises:
            InputError: the workers cannot begin; they have said why.
        """
        before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
        for each in before:
            signal.signal(each, lambda *_: self._stops.set())
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._pass_on)
        try:
            with counting_folder() as self._folder:
                self._run()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _run(self) -> None:
        try:
            self._workers = [self._begun() for _ in range(self._job.config.workers)]
            has_said = False
            while not self._stops.wait(_PAUSE):
                self._look_after()
                if not has_said and all(each.is_ready for each in self._workers):
                    has_said = True
                    self._ready()
        finally:
            self._end()

    def _begun(self) -> _Worker:
        return _Worker(self._job, self._socket, self._folder)

    def _look_after(self) -> None:
        for place, worker in enumerate(self._workers):
            status = worker.process.poll()
            if status is None:
                continue
            if status == _REFUSED and not worker.is_ready:
                raise InputError("Expected workers that begin. Received: the refusal above.")
            logger.warning("worker %d ended with %d: begun anew", worker.process.pid, status)
            self._forget(worker)
            rest = worker.began + _BETWEEN_STARTS - time.monotonic()
            self._stops.wait(max(0.0, rest))
            self._workers[place] = self._begun()

    def _forget(self, worker: _Worker) -> None:
        """Its gauges count no more."""
        for path in pathlib.Path(self._folder).glob(f"gauge_live*_{worker.process.pid}.db"):
            path.unlink(missing_ok=True)
        worker.close()

    def _pass_on(self, number: int, _: object) -> None:
        for each in self._workers:
            if each.is_ready and each.process.poll() is None:
                each.process.send_signal(number)

    def _end(self) -> None:
        running = [each.process for each in self._workers if each.process.poll() is None]
        for process in running:
            process.terminate()
        until = time.monotonic() + self._job.config.stop_seconds + _GRACE
        for process in running:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for each in self._workers:
            each.close()
