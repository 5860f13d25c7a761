"""Files that are whole or absent: write beside, flush to disk, rename."""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import pathlib
import secrets
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def home() -> pathlib.Path:
    """Where `data`, `save_model` and `save_weights` are: `DRREC_HOME`, else the working folder."""
    return pathlib.Path(os.environ.get("DRREC_HOME", ""))


@contextlib.contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Give a side file to write; it takes the place of `path` only if the body succeeds."""
    target = pathlib.Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    side = _beside(target)
    # Opened with 0o666, so that the umask and a default ACL of the folder say who may read it.
    os.close(os.open(side, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        yield side
        with side.open("rb+") as file:
            os.fsync(file.fileno())
        side.replace(target)
    finally:
        side.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(folder: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Give a side folder to fill; it becomes `folder`, a new one, only if the body succeeds.

    Side folders that a killed process has left are removed; one that is being filled is locked.
    """
    target = pathlib.Path(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{target.name}.*.part"):
        with contextlib.suppress(OSError), _locked(left):
            shutil.rmtree(left)
    side = _beside(target)
    side.mkdir()
    try:
        with _locked(side):
            yield side
            side.rename(target)
    finally:
        shutil.rmtree(side, ignore_errors=True)


def _beside(target: pathlib.Path) -> pathlib.Path:
    """A name that is not taken, for what will be `target`."""
    return target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")


@contextlib.contextmanager
def _locked(folder: pathlib.Path) -> Iterator[None]:
    """Keep a folder to this process until the end of the body, or of the process."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
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
