"""Files as their bytes are meant: unpacked, and UTF-16 as UTF-8."""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile
import zlib
from typing import TYPE_CHECKING, BinaryIO

from drrec.errors import InputError

if TYPE_CHECKING:
    import pathlib

ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")
"""Tried in this order: text of Windows with an accent in it is hardly ever valid UTF-8."""

PACKED = (".gz", ".zip")
"""Ends of names that say only how a file is packed."""

BROKEN = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError)
"""What a packed file that is cut or damaged raises as it is read."""

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
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
        else:
            content = path.open("rb")
        if content.peek(2)[:2] in _UTF_16:  # type: ignore[attr-defined]
            with content:
                return io.BytesIO(content.read().decode("utf-16").encode())
    except OSError as error:
        if isinstance(error, BROKEN):
            raise damaged(path, error) from error
        raise unreadable(path, error) from error
    except (*BROKEN, UnicodeDecodeError) as error:
        raise damaged(path, error) from error
    return content


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
    return InputError(
        f"Expected a whole file at {path}. Received: {error or 'one that is cut short'}. "
        "Get it again."
    )


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
