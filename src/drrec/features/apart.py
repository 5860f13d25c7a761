"""Extraction in a process of its own, begun from one that may have loaded TensorFlow."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing import connection
from typing import TYPE_CHECKING, Any

from drrec.errors import InputError
from drrec.limits import Limits, current, hold

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

    from drrec.data.dataset import Dataset
    from drrec.features.config import ExtractConfig

_PATIENCE = 20.0
"""Seconds for the process to end by itself, once it is asked to."""


def extract_apart(config: ExtractConfig, dataset: Dataset, data_dir: pathlib.Path) -> str:
    """Run `extract` in a new process, for PyTorch and TensorFlow never share one.

    The process ends with this one, however that ends, and what it has extracted stays.

    Args:
        config: which features to make.
        dataset: whose items.
        data_dir: where `features/<name>.h5` goes.

    Returns:
        The summary of what was made, line by line.

    Raises:
        InputError: as of `extract`, or the process was killed.
    """
    return run_apart(_extracted, config, dataset, data_dir)


def run_apart(work: Callable[..., Any], *given: object) -> Any:
    """Call `work(*given)` in a new process and return what it returns.

    Raises:
        InputError: it raised one, or the process was killed.
    """
    with contextlib.closing(Apart()) as apart:
        return apart.call(work, *given)


class Apart:
    """A process that calls functions for this one, one after the other, until it is closed.

    It ends with this one, however that ends.
    """

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_run, args=(there, current()))
        self._process.start()
        there.close()  # its end is the process's alone: that it ends is seen here

    def call(self, work: Callable[..., Any], *given: object) -> Any:
        """What `work(*given)` returns there.

        Raises:
            InputError: it raised one, or the process was killed.
        """
        try:
            self._here.send((work, given))
            answer = self._here.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            self.close()
            raise InputError(
                "Expected PyTorch to finish its work. Received: its process was killed, perhaps "
                "for want of memory. Run this again: it goes on where it stopped."
            ) from error
        except BaseException:
            self.close()  # it has not answered, and whoever asks next would get that answer
            raise
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @property
    def is_open(self) -> bool:
        """Whether it can be called."""
        return not self._here.closed

    def close(self) -> None:
        """End the process: at once if it has answered, else at its next chance, as by Ctrl-C."""
        self._here.close()
        _end(self._process)


def _end(process: multiprocessing.process.BaseProcess) -> None:
    """Have it end: by itself if it has answered, else at the next batch's end, as by Ctrl-C."""
    process.join(0.5)
    if process.is_alive():
        process.terminate()
        process.join(_PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()


def _run(there: connection.Connection, limits: Limits) -> None:
    hold(limits)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError, EOFError):
        while True:
            work, given = there.recv()
            try:
                there.send(work(*given))
            except Exception as error:
                there.send(error)


def _interrupt(*_: object) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):  # once is enough: what follows is to close files
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    """A parent that is killed tells nobody; without it there is nothing to work for."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def _extracted(config: ExtractConfig, dataset: Dataset, data_dir: pathlib.Path) -> str:
    from drrec.features.extract import extract, summary
    from drrec.features.store import features_path

    outcomes = extract(config, dataset, data_dir)
    return summary(outcomes, features_path(data_dir, dataset.key))
