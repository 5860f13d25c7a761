"""Locks between processes: on runs, feature files, data sets and kept vectors."""

from __future__ import annotations

import contextlib
import logging
import pathlib
from typing import TYPE_CHECKING

from drrec.errors import InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    import filelock

logger = logging.getLogger(__name__)

PATIENCE = 3.0
"""Seconds of waiting before it is said."""

_FOLDER = ".locks"


@contextlib.contextmanager
def held(path: str | os.PathLike[str], what: str, *, wait: bool = False) -> Iterator[None]:
    """Keep what is at `path` to this process until the end of the body, or of the process.

    The lock is the operating system's (`flock`), on `.locks/<name>.lock` beside `path`: that of a
    process that was killed is gone with it, though the empty file stays until the next release.

    Args:
        path: what is written; it need not exist.
        what: the words for it.
        wait: for another process that has it, and say so after `PATIENCE` seconds; otherwise that
            is refused at once.

    Raises:
        InputError: another process has it, and `wait` is False.
    """
    place = pathlib.Path(path).resolve()
    file = place.parent / _FOLDER / f"{place.name}.lock"
    made = [each for each in (file.parent, *file.parent.parents) if not each.exists()]
    lock = _acquired(file, what, wait=wait)
    try:
        yield
    finally:
        # Before it is free: who waits for it sees that the file is gone, and makes a new one.
        file.unlink(missing_ok=True)
        lock.release()
        with contextlib.suppress(OSError):  # there is something in it, such as other locks
            for folder in made or [file.parent]:
                folder.rmdir()


def _acquired(file: pathlib.Path, what: str, *, wait: bool) -> filelock.FileLock:
    import filelock  # not above: `--help` need not load it

    timeout = PATIENCE if wait else 0.0
    while True:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(file, fallback_to_soft=False)
            lock.acquire(timeout=timeout)
            return lock
        except FileNotFoundError:  # the folder was removed meanwhile
            continue
        except FileExistsError:  # likewise, between mkdir's attempt and its look at what is there
            if file.parent.exists() and not file.parent.is_dir():
                raise
        except filelock.Timeout as error:
            if not wait:
                raise InputError(
                    f"Expected {what} to be of no other process. Received: one is at work on it. "
                    "Wait until it ends, or stop it, then run this again."
                ) from error
            if timeout > 0:
                logger.info("waiting for another process, which is at work on %s", what)
                timeout = -1.0
