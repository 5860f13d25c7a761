"""A PostgreSQL server of Debian's package, started for the tests in a folder of its own."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def binaries() -> pathlib.Path | None:
    """The folder of the newest `initdb` that Debian has installed."""
    found = pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(found, key=lambda path: int(path.parts[-3]), default=None)
    return newest.parent if newest else None


@contextlib.contextmanager
def server() -> Iterator[str]:
    """A server that listens on a socket in its folder alone; the URL of a database."""
    folder_of_programs = binaries()
    if folder_of_programs is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    account = None
    if os.geteuid() == 0:  # as which PostgreSQL does not run
        try:
            account = pwd.getpwnam("postgres").pw_name
        except KeyError:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="drrec-postgres-"))
    if account:
        shutil.chown(folder, account)

    def run(program: str, *arguments: str) -> None:
        command = [str(folder_of_programs / program), *arguments]
        subprocess.run(command, user=account, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    data = str(folder / "data")
    try:
        run("initdb", "-D", data, "-U", "drrec", "-A", "trust", "-E", "UTF8", "--no-sync")
        command = [str(folder_of_programs / "postgres"), "-D", data, "-k", str(folder)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "-c", "listen_addresses="],
                user=account,
                cwd=folder,
                stdout=log,
                stderr=log,
                preexec_fn=_ends_with_the_tests,
            )
        try:
            url = f"postgresql://drrec@/postgres?host={folder}"
            _wait_for(url, process)
            yield url
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ends_with_the_tests() -> None:
    """Also where they are killed."""
    set_signal_of_parents_death = 1
    ctypes.CDLL(None).prctl(set_signal_of_parents_death, signal.SIGINT)


def _wait_for(url: str, process: subprocess.Popen) -> None:
    import psycopg

    while True:
        assert process.poll() is None, "PostgreSQL ended"
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
