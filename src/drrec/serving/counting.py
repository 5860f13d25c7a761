"""The folder through which workers count together; what a killed supervisor left is removed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "drrec-metrics-"


@contextlib.contextmanager
def counting_folder() -> Iterator[str]:
    """A folder that this process has until the end of the body.

    Folders of processes that are no more are removed first: each holds a lock of the operating
    system on its folder, which ends with it.
    """
    for path in pathlib.Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's, or gone already
            _sweep(path)
    lock, folder = _locked()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked() -> tuple[int, str]:
    while True:
        folder = tempfile.mkdtemp(prefix=PREFIX)
        # Until it is locked, another process may take it for one that was left, and sweep it.
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(folder):
            return lock, folder
        os.close(lock)


def _sweep(path: pathlib.Path) -> None:
    """Remove a folder of this user that no process has."""
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(lock).st_uid == os.getuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)
