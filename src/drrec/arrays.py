"""NumPy arrays in one `.npz` file, declared, bound by a checksum, and never trusted.

The header of each array is read before anything is allocated: what is declared of it, and what the
archive says of its size, must be true. A SHA-256 over all arrays finds what was changed since.
"""

from __future__ import annotations

import hashlib
import math
import os
import pathlib
import re
import struct
import tokenize
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from drrec.errors import InputError, told
from drrec.files import replaced
from drrec.limits import current

if TYPE_CHECKING:
    from collections.abc import Mapping

BROKEN = (
    *(OSError, EOFError, LookupError, RuntimeError, TypeError, ValueError, ArithmeticError),
    *(AttributeError, SyntaxError, MemoryError, struct.error, tokenize.TokenError),
    *(zipfile.BadZipFile, zlib.error),
)
"""What NumPy and zipfile raise of files that are damaged or made up."""

_KINDS = {"float": "f", "int": "iu", "bool": "b", "str": "U"}
_CHECKSUM = "checksum"
_TEXT, _ENDS = ":utf8", ":ends"
_DEFLATE = 1032  # bytes that one byte may unpack to


class _Head(NamedTuple):
    """What a file says of one array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int  # bytes before the numbers

    @property
    def size(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def write_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, Any], *, compressed: bool = False
) -> None:
    """Write arrays to one `.npz`, whole or not at all; columns of text take what they need.

    Args:
        path: the file.
        arrays: numbers, truth values and text, by name.
        compressed: whether to compress them.
    """
    members: dict[str, np.ndarray] = {}
    for name, value in arrays.items():
        array = np.asarray(value)
        if array.ndim == 1 and array.dtype.kind in "OU":
            members |= _as_bytes(name, array)
        else:
            members[name] = array
    members[_CHECKSUM] = np.array(_checksum(members))
    save: Any = np.savez_compressed if compressed else np.savez
    with replaced(path) as side, side.open("wb") as file:
        save(file, **members)


def read_arrays(
    path: str | os.PathLike[str],
    what: str,
    mend: str,
    declared: Mapping[str, str] | None = None,
    **sizes: int,
) -> dict[str, np.ndarray]:
    """Read what `write_arrays` wrote; nothing is unpickled.

    Args:
        path: the file.
        what: names it in messages.
        mend: ends them.
        declared: the type and shape of each array, such as `{"item": "float32 [I, D]"}`; a letter
            is one size throughout. None takes any arrays.
        sizes: of letters, where they are known.

    Raises:
        InputError: the file is missing or damaged, or holds other arrays than are declared, or
            more than `limits.current()` allows.
    """
    try:
        # Opened here: of a broken file NumPy would leave the handle open.
        with pathlib.Path(path).open("rb") as opened, zipfile.ZipFile(opened) as archive:
            heads = _heads(archive, os.fstat(opened.fileno()).st_size)
            if declared is not None:
                _check_declared(heads, declared, sizes)
            members = {name: _read(archive, name) for name in heads}
    except FileNotFoundError as error:
        raise InputError(f"Expected {what} in {path}. Received: nothing there. {mend}") from error
    except _Other as error:
        raise InputError(f"Expected {what} in {path}. Received: {told(error)}. {mend}") from error
    except BROKEN as error:
        line = f"{type(error).__name__}: {told(error)}"
        raise InputError(f"Expected {what} in {path}. Received: {line}. {mend}") from error
    if str(members.pop(_CHECKSUM)) != _checksum(members):
        raise InputError(
            f"Expected {what} in {path}. Received: a file that was changed since it was written, "
            f"for its checksum is another. {mend}"
        )
    try:
        return _with_text(members)
    except BROKEN as error:
        raise InputError(f"Expected {what} in {path}. Received: {told(error)}. {mend}") from error


def one_array(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a `.npy` file of numbers that others wrote.

    Raises:
        InputError: it is missing or damaged, holds what is no number, or more than it has room for.
    """
    try:
        with pathlib.Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = _head(file)
            if head.dtype.kind == "U":
                raise _Other("text")
            if head.size != size - head.offset:
                raise _Other(f"{head.size:,} bytes of array in {size:,} bytes of file")
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
    except BROKEN as error:
        raise InputError(
            f"Expected an array of numbers in {path}. Received: {told(error)}. Get it again."
        ) from error


class _Other(ValueError):
    """A file is well formed and not what it should be."""


def _heads(archive: zipfile.ZipFile, total: int) -> dict[str, _Head]:
    heads = {}
    room = current().max_bytes
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if name in heads or name == member.filename:
            raise _Other(f"the member {member.filename[:60]!r}")
        with archive.open(member) as file:
            head = _head(file)
        packed = min(member.compress_size, total)
        most = packed if member.compress_type == zipfile.ZIP_STORED else packed * _DEFLATE
        if head.size != member.file_size - head.offset or member.file_size > most:
            raise _Other(f"an array {list(head.shape)} in {member.compress_size:,} bytes")
        room -= member.file_size
        if room < 0:
            raise _Other(f"more than {current().max_bytes:,} bytes (see --max-bytes)")
        heads[name] = head
    if _CHECKSUM not in heads:
        raise _Other("arrays without a checksum")
    return heads


def _head(file: BinaryIO | Any) -> _Head:
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise _Other(f"an array of version {version}")
    shape, _, dtype = read(file)
    if dtype.kind not in "biufU" or any(size < 0 for size in shape):
        raise _Other(f"an array {list(shape)} of {dtype}"[:200])
    return _Head(shape, dtype, file.tell())


def _read(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _check_declared(
    heads: Mapping[str, _Head], declared: Mapping[str, str], sizes: dict[str, int]
) -> None:
    there = {name.removesuffix(_TEXT) for name in heads if not name.endswith(_ENDS)} - {_CHECKSUM}
    if there != set(declared):
        differ = sorted(there ^ set(declared))
        raise _Other(f"a file {'with' if differ[0] in there else 'without'} {differ[0]}")
    for name, form in declared.items():
        kind, letters = re.fullmatch(r"(\w+) \[(.*)\]", form).groups()  # type: ignore[union-attr]
        is_text = f"{name}{_TEXT}" in heads
        head = heads[f"{name}{_ENDS}" if is_text else name]
        is_of_kind = kind == "str" if is_text else _is_of(kind, head.dtype)
        wanted = [each.strip() for each in letters.split(",") if each.strip()]
        fits = len(wanted) == len(head.shape) and all(
            size == (int(each) if each.isdigit() else sizes.setdefault(each, size))
            for each, size in zip(wanted, head.shape, strict=True)
        )
        if not (is_of_kind and fits):
            raise _Other(f"{name} as {head.dtype} {list(head.shape)}, where {form} is right")


def _is_of(kind: str, dtype: np.dtype[Any]) -> bool:
    return dtype.kind in _KINDS[kind] if kind in _KINDS else dtype == np.dtype(kind)


def _checksum(members: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(members):
        array = np.ascontiguousarray(members[name])
        digest.update(f"{name}\0{array.dtype.str}\0{np.shape(members[name])}\0".encode())
        digest.update(array.view(np.uint8).data if array.size and array.ndim else array.tobytes())
    return digest.hexdigest()


def _as_bytes(name: str, column: np.ndarray) -> dict[str, np.ndarray]:
    """A column of text as its UTF-8 and the end of each: an array of text has one width for all."""
    pieces = [str(each).encode("utf-8", "surrogatepass") for each in column.tolist()]
    ends = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    return {
        f"{name}{_TEXT}": np.frombuffer(b"".join(pieces), np.uint8),
        f"{name}{_ENDS}": ends,
    }


def _with_text(members: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for name, array in members.items():
        if name.endswith(_TEXT):
            found[name.removesuffix(_TEXT)] = _as_text(
                array, members[name.removesuffix(_TEXT) + _ENDS]
            )
        elif not name.endswith(_ENDS):
            found[name] = array
    return found


def _as_text(content: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """[n] object."""
    whole = content.tobytes()
    if (np.diff(ends, prepend=0) < 0).any() or (ends[-1] if len(ends) else 0) != len(whole):
        raise _Other("text whose ends are not in order")
    column = np.empty(len(ends), object)
    starts = np.concatenate([[0], ends])[:-1].tolist()
    column[:] = [
        whole[start:end].decode("utf-8", "surrogatepass")
        for start, end in zip(starts, ends.tolist(), strict=True)
    ]
    return column
