"""Files that are whole or absent: write beside, flush to disk, rename, flush the folder.

After a power loss a renamed file may be there without its content, and a file without its name,
unless both were flushed: so the file is, before it is renamed, and its folder, after.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import math
import os
import pathlib
import secrets
import shutil
import tempfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_FLUSH = (errno.EINVAL, errno.ENOTSUP)


def home() -> pathlib.Path:
    """Where `data`, `save_model` and `save_weights` are: `DRREC_HOME`, else the working folder."""
    return pathlib.Path(os.environ.get("DRREC_HOME", ""))


@contextlib.contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Give a side file to write; it takes the place of `path` only if the body succeeds.

    It is on disk when this returns: a power loss leaves the old file or the new one, never a part.
    """
    target = pathlib.Path(path)
    with _side_folder(target) as folder:
        side = folder / target.name
        side.touch()
        yield side
        flush(side)
        side.replace(target)
        flush(target.parent)


@contextlib.contextmanager
def whole_folder(folder: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Give a side folder to fill; it becomes `folder`, a new one, only if the body succeeds.

    All in it is on disk when this returns: a power loss leaves all of it or nothing. Side folders
    that a killed process has left are removed; one that is being filled is locked.
    """
    target = pathlib.Path(folder)
    with _side_folder(target) as side:
        yield side
        flush_tree(side)
        side.rename(target)
        flush(target.parent)


@contextlib.contextmanager
def scratch_folder() -> Iterator[pathlib.Path]:
    """Give a folder for what is not kept, among the system's temporary files (`TMPDIR`).

    It is removed at the end. Those that killed processes have left are removed, too.
    """
    with _side_folder(pathlib.Path(tempfile.gettempdir(), f"drrec-{os.getuid()}")) as folder:
        yield folder.resolve()


def made_folder(folder: str | os.PathLike[str]) -> pathlib.Path:
    """Make a folder and those above it, and flush the names of the new ones to disk."""
    wanted = pathlib.Path(folder)
    missing = [each for each in (wanted, *wanted.parents) if not each.exists()]
    wanted.mkdir(parents=True, exist_ok=True)
    for each in reversed(missing):
        flush(each.parent)
    return wanted


def removed(folder: str | os.PathLike[str]) -> None:
    """Remove a folder and all in it: killed at any moment, it is whole or gone by its name."""
    target = pathlib.Path(folder)
    with _side_folder(target) as side:
        target.rename(side / target.name)
        flush(target.parent)


def sweep(folder: str | os.PathLike[str]) -> None:
    """Remove side files that killed processes left in a folder and below; live ones are locked."""
    for left in pathlib.Path(folder).rglob(".*.part"):
        _remove_left(left)


def flush(path: str | os.PathLike[str]) -> None:
    """Have a file's content, or the names in a folder, on disk (`fsync`)."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:  # some file systems do not flush folders
        if error.errno not in _NO_FLUSH:
            raise
    finally:
        os.close(handle)


def flush_tree(folder: str | os.PathLike[str]) -> None:
    """`flush` every file and every folder below `folder`, and it."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            flush(os.path.join(place, name))
        flush(place)


def _beside(target: pathlib.Path) -> pathlib.Path:
    """A name that is not taken, for what will be `target`."""
    return target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")


@contextlib.contextmanager
def _side_folder(target: pathlib.Path) -> Iterator[pathlib.Path]:
    """A hidden folder beside `target`, locked while this process works in it, then removed."""
    made_folder(target.parent)
    for left in target.parent.glob(f".{target.name}.*.part"):
        _remove_left(left)
    while True:
        side = _beside(target)
        side.mkdir()  # as the umask and a default ACL of the folder above say
        # Until it is locked, another process may take it for one that was left, and remove it.
        try:
            handle = os.open(side, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        fcntl.flock(handle, fcntl.LOCK_EX)
        if side.exists():
            break
        os.close(handle)
    try:
        yield side
    finally:
        shutil.rmtree(side, ignore_errors=True)
        os.close(handle)


def _remove_left(side: pathlib.Path) -> None:
    """Remove a side folder, unless a living process holds it."""
    try:
        handle = os.open(side, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # it is gone, or no folder: nobody's side folder
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(side, ignore_errors=True)
    except OSError:
        return
    finally:
        os.close(handle)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with replaced(path) as side:
        side.write_text(text, encoding="utf-8")


def to_json(value: Any) -> str:
    """Strict JSON, two spaces deep: NaN and infinities become null, arrays lists."""
    return json.dumps(_finite(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write strict JSON, whole or not at all."""
    write_text(path, to_json(value))


def write_yaml(path: str | os.PathLike[str], content: Any) -> None:
    """Write plain values as YAML, in their order, whole or not at all."""
    import yaml

    write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return _finite(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
