"""Files as their bytes are meant: unpacked, and UTF-16 as UTF-8."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import re
import zipfile
import zlib
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from drrec.errors import InputError, told
from drrec.limits import current

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator

ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")
"""Tried in this order: text of Windows with an accent in it is hardly ever valid UTF-8."""

PACKED = (".gz", ".zip", ".zst")
"""Ends of names that say only how a file is packed."""

BROKEN = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError)
"""What a packed file that is cut or damaged raises as it is read."""

_BLOCK = 1 << 20
_NO_BOMB, _MOST_TO_ONE = 1 << 28, 250
"""Logs are packed some 20 to 1, and what makes memory run out 1,000 to 1."""

_GZIP, _ZIP, _ZSTD = b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def opened(path: pathlib.Path) -> BinaryIO:
    """The bytes of a file, or of what a gzip file or a zip file of one file holds.

    Raises:
        InputError: it is missing, or packed and damaged, or several files are packed in it.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if start[:2] == _GZIP:
            content: BinaryIO = io.BufferedReader(gzip.GzipFile(path), 1 << 20)
        elif start == _ZIP:
            content = _only_one(path)
        elif start == _ZSTD:
            content = _of_zstd(path)
        else:
            content = path.open("rb")
        if content.peek(2)[:2] in _UTF_16:  # type: ignore[attr-defined]
            with content:
                return io.BytesIO(_all_of(content, path).decode("utf-16").encode())
    except OSError as error:
        if isinstance(error, BROKEN):
            raise damaged(path, error) from error
        raise unreadable(path, error) from error
    except (*BROKEN, UnicodeDecodeError) as error:
        raise damaged(path, error) from error
    return content


def is_plain(path: pathlib.Path) -> bool:
    """Whether a file's bytes are what `opened` gives.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise unreadable(path, error) from error
    return not start.startswith((_GZIP, _ZIP, _ZSTD, *_UTF_16))


class Size(NamedTuple):
    """How large a text is."""

    num_lines: int  # blank ones and comments too
    is_ended: bool  # whether the last line has an end
    is_odd: bool = False  # whether what was looked for is in it


def measured(
    path: pathlib.Path,
    is_odd: Callable[[bytes], bool] = lambda _: False,
    copy: pathlib.Path | None = None,
) -> Size:
    """Go through a text once, and see that it keeps within `limits.current()`.

    Args:
        path: the file.
        is_odd: whether what is looked for, at most 16 bytes long, is in some bytes.
        copy: where to write what it holds.

    Raises:
        InputError: it cannot be read, or has too many lines or bytes, or too long a line.
    """
    limits = current()
    num_ends, run, last, found, tail = 0, 0, b"\n", False, b""
    try:
        with contextlib.ExitStack() as files:
            file = files.enter_context(opened(path))
            written = files.enter_context(copy.open("wb")) if copy else None
            for block in _blocks(file, path):
                if written:
                    written.write(block)
                found = found or is_odd(tail + block)
                tail = block[-16:]
                num_ends += block.count(b"\n") or block.count(b"\r")
                pieces = re.split(b"[\r\n]", block) if limits.max_line < len(block) else [block]
                end = max(block.rfind(b"\n"), block.rfind(b"\r"))
                longest = max(map(len, pieces)) if len(pieces) > 1 else 0
                run = run + len(block) if end < 0 else len(block) - end - 1
                if max(run, longest) > limits.max_line:
                    raise InputError(
                        f"Expected lines of at most {limits.max_line:,} bytes in {path}. Received: "
                        "a longer one. Is it a text file? If so, pass --max-line."
                    )
                last = block[-1:]
    except OSError as error:
        raise (damaged if isinstance(error, BROKEN) else unreadable)(path, error) from error
    except BROKEN as error:
        raise damaged(path, error) from error
    is_ended = last in (b"\n", b"\r")
    found = found or is_odd(tail + b"\n")
    return Size(num_ends + (not is_ended), is_ended, found)


def check_rows(count: int, name: object) -> None:
    """See that a log has not too many rows.

    Raises:
        InputError: it has.
    """
    if count > current().max_rows:
        raise InputError(
            f"Expected at most {current().max_rows:,} rows in {name}. Received: {count:,}. Take "
            "fewer, or pass --max-rows."
        )


def _blocks(file: BinaryIO, path: pathlib.Path) -> Iterator[bytes]:
    """The bytes of a file, unless they are too many for one of its size."""
    most, packed, total = current().max_bytes, path.stat().st_size, 0
    while block := file.read(_BLOCK):
        total += len(block)
        if total > most or (total > _NO_BOMB and total > _MOST_TO_ONE * packed):
            raise InputError(
                f"Expected {path} to unpack to at most {most:,} bytes, and to no more than "
                f"{_MOST_TO_ONE} times its {packed:,}. Received: more. If that is meant, unpack it "
                "first, or pass --max-bytes."
            )
        yield block


def _all_of(file: BinaryIO, path: pathlib.Path) -> bytes:
    return b"".join(_blocks(file, path))


def stem(path: pathlib.Path) -> str:
    """A file's name without what says its form: `log` of `log.csv.gz`."""
    return path.with_suffix("").stem if path.suffix.lower() in PACKED else path.stem


def suffix(path: pathlib.Path) -> str:
    """What a file's name says its form is, in lower case: `.csv` of `log.csv.gz`."""
    return (path.with_suffix("") if path.suffix.lower() in PACKED else path).suffix.lower()


def unreadable(path: pathlib.Path, error: OSError) -> InputError:
    """The error for a file that is not there or may not be read."""
    return InputError(
        f"Expected a readable file at {path}. Received: {error.strerror or error}. "
        "Check the path and its permissions."
    )


def damaged(path: pathlib.Path, error: Exception) -> InputError:
    """The error for a packed file that cannot be unpacked."""
    reason = told(error) if str(error) else "one that is cut short"
    return InputError(f"Expected a whole file at {path}. Received: {reason}. Get it again.")


def _of_zstd(path: pathlib.Path) -> BinaryIO:
    try:
        import pyarrow
    except ImportError as error:
        raise InputError(
            f"Expected pyarrow, to unpack {path}. Received: none. Install it: pip install pyarrow."
        ) from error
    return io.BufferedReader(pyarrow.CompressedInputStream(str(path), "zstd"), 1 << 20)


def _only_one(path: pathlib.Path) -> BinaryIO:
    with zipfile.ZipFile(path) as archive:
        names = [each.filename for each in archive.infolist() if not each.is_dir()]
        if len(names) != 1:
            raise InputError(
                f"Expected one file in {path}. Received: {len(names)} of them. Unpack it, and name "
                "the file or the folder."
            )
        if archive.getinfo(names[0]).flag_bits & 1:
            raise InputError(f"Expected {path} without a password. Received: one. Unpack it first.")
        # The archive stays open for as long as what is read of it.
        return io.BufferedReader(archive.open(names[0]), 1 << 20)  # type: ignore[type-var]
