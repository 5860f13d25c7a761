"""DuckDB, which reads, joins and sorts logs: within limits, and shut off from the rest."""

from __future__ import annotations

import contextlib
import glob
import pathlib
import re
from typing import TYPE_CHECKING, Any

from drrec.errors import InputError, told
from drrec.limits import current

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

BLANKS = r"[\s\x0b\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+"
"""Regular expression of some blanks, as Python knows them."""

_OURS = 350
"""Megabytes of `max_memory` that Python, the libraries and one block of rows take."""


@contextlib.contextmanager
def engine(
    scratch: pathlib.Path, files: Sequence[pathlib.Path] = (), made: pathlib.Path | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A new database in memory.

    It reads `files`, writes to the folder `made`, and knows no other file, extension or network.

    Args:
        scratch: folder that it spills to.
        files: the files.
        made: the folder.

    Raises:
        InputError: it has no room in memory or on disk.
    """
    import duckdb

    settings: dict[str, Any] = {
        "memory_limit": f"{current().max_memory - _OURS}MB",
        "temp_directory": str(scratch / "spilled"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "allow_persistent_secrets": False,
        "enable_external_file_cache": False,
    }
    with duckdb.connect(":memory:", config=settings) as connection:
        named = [each for file in files for each in (str(file.resolve()), literal(file))]
        folders = [each.resolve() for each in (scratch, made) if each]
        if connection.execute("SELECT current_setting('enable_progress_bar')").fetchall()[0][0]:
            # It is of standard output, where results go. In notebooks without widgets there is
            # none, and there the setting itself is refused.
            connection.execute("SET enable_progress_bar = false")
        for setting in (
            "TimeZone = 'UTC'",
            f"allowed_paths = [{', '.join(quoted(each) for each in named)}]",
            f"allowed_directories = [{', '.join(quoted(str(each)) for each in folders)}]",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            connection.execute(f"SET {setting}")
        try:
            yield connection
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            raise InputError(
                f"Expected room to read the log, in memory and in {scratch.parent}. Received: "
                f"{told(error)}. Pass a higher --max-memory, or name a folder with more room "
                "by TMPDIR."
            ) from error


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Within it, what DuckDB refuses to read for what it is raises `Refused`."""
    import duckdb

    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.IOException):
        raise
    except duckdb.Error as error:
        raise Refused(told(error)) from error


class Refused(Exception):
    """DuckDB does not read a file, or a field, as it was asked to."""


def literal(path: pathlib.Path) -> str:
    """How DuckDB is told of one file, whatever characters are in its name."""
    return glob.escape(str(path.resolve()))


def quoted(text: str) -> str:
    """A string of SQL."""
    return "'" + text.replace("'", "''") + "'"


def is_pattern(name: str) -> bool:
    """Whether a path is one of several files: it has `*`, `?` or `[…]`, and no file is named so."""
    return bool(re.search(r"[*?]|\[.+\]", name)) and not pathlib.Path(name).exists()
