"""DuckDB, which reads, joins and sorts logs: within a limit of memory, and shut off from the rest."""

from __future__ import annotations

import contextlib
import glob
import pathlib
import re
from typing import TYPE_CHECKING

from drrec.errors import InputError, told
from drrec.files import scratch_folder
from drrec.limits import current

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

_OURS = 250
"""Megabytes of `max_memory` that Python, the libraries and one block of rows take."""
_LEAST = 150


@contextlib.contextmanager
def engine(
    files: Sequence[pathlib.Path] = (), made: pathlib.Path | None = None
) -> Iterator[tuple[duckdb.DuckDBPyConnection, pathlib.Path]]:
    """A new database in memory, and the folder that it spills to.

    It reads `files`, writes to the folder `made`, and knows no other file, extension or network.

    Raises:
        InputError: it has no room in memory or on disk.
    """
    import duckdb

    with scratch_folder() as scratch:
        settings = {
            "memory_limit": f"{max(current().max_memory - _OURS, _LEAST)}MB",
            "temp_directory": str(scratch / "spilled"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "allow_persistent_secrets": False,
            "enable_external_file_cache": False,
        }
        with duckdb.connect(":memory:", config=settings) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            allowed = ", ".join(quoted(literal(path)) for path in files)
            connection.execute(f"SET allowed_paths = [{allowed}]")
            folders = [each.resolve() for each in (scratch, made) if each]
            allowed = ", ".join(quoted(str(folder)) for folder in folders)
            connection.execute(f"SET allowed_directories = [{allowed}]")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            try:
                yield connection, scratch.resolve()
            except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
                raise InputError(
                    f"Expected room to read the log, in memory and in {scratch.parent}. Received: "
                    f"{told(error)}. Pass a higher --max-memory, or name a folder with more room "
                    "by TMPDIR."
                ) from error


def literal(path: pathlib.Path) -> str:
    """How DuckDB is told of one file, whatever characters are in its name."""
    return glob.escape(str(path.resolve()))


def quoted(text: str) -> str:
    """A string of SQL."""
    return "'" + text.replace("'", "''") + "'"


def is_pattern(name: str) -> bool:
    """Whether a path is one of several files: it has `*`, `?` or `[…]`, and no file is named so."""
    return bool(re.search(r"[*?]|\[.+\]", name)) and not pathlib.Path(name).exists()
