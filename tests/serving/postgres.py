"""A PostgreSQL server of Debian's package, started for the tests in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
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
        options = f"-k {folder} -c listen_addresses=''"
        run("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql://drrec@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
