"""Batches on disk while features are made: killed at any moment, it is whole up to the last one.

HDF5 is not: a file that is open for writing when its process dies may be lost. So batches are
appended here, and the HDF5 file is written from them at once.

A record is `MAGIC`, its length and a checksum, then its bytes. The checksum covers the length and
the bytes and starts from that of the record before, the first from the fingerprint; so neither
zeros nor what an earlier journal left in the same blocks pass for a record. As in SQLite's log,
reading ends at the first record that does not fit, and the file is cut back to there.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from drrec.errors import InputError
from drrec.files import flush, made_folder

if TYPE_CHECKING:
    import io
    import pathlib
    from collections.abc import Iterator, Sequence

MAGIC = b"drj2"
_HEAD = struct.Struct("<4sQI")  # MAGIC, bytes of the record, checksum
_SIZES = struct.Struct("<QQ")  # items and width of a batch


class Batch(NamedTuple):
    """What one batch of items came to."""

    features: np.ndarray  # [items, dim] float32
    present: np.ndarray  # [items] bool
    reasons: list[str]  # [items] why not, "" where present


class Journal:
    """An append-only file of batches, that belongs to one fingerprint and to one process."""

    def __init__(
        self, path: pathlib.Path, fingerprint: str, sizes: Sequence[int] | None = None
    ) -> None:
        """Open the journal and read the whole batches in it, if it is of this fingerprint.

        Args:
            path: the file.
            fingerprint: of what the batches are made of, and how.
            sizes: how many items each batch has; None takes any.

        Raises:
            InputError: another process has it open.
        """
        made_folder(path.parent)
        self._path = path
        self._file = _locked(path)
        self._checksum = zlib.crc32(fingerprint.encode(), zlib.crc32(MAGIC))
        self.batches: list[Batch] = []
        end = 0
        for record, checksum in _records(self._file, self._checksum):
            if not end:  # the first says what the others are of
                if record != fingerprint.encode():
                    break
            else:
                batch = _unpacked(record)
                if batch is None or not _fits(batch, len(self.batches), sizes):
                    break
                self.batches.append(batch)
            end += _HEAD.size + len(record)
            self._checksum = checksum
        if end < os.fstat(self._file.fileno()).st_size:
            self._file.truncate(end)
            os.fsync(self._file.fileno())
        if not end:
            self._append(fingerprint.encode())
            flush(path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, batch: Batch) -> None:
        """Append a batch; it is on disk when this returns."""
        self._append(_packed(batch))
        self.batches.append(batch)

    def remove(self) -> None:
        """Its batches are elsewhere now."""
        self._path.unlink(missing_ok=True)

    def _append(self, record: bytes) -> None:
        self._checksum = _checksum(record, self._checksum)
        self._file.write(_HEAD.pack(MAGIC, len(record), self._checksum) + record)
        self._file.flush()
        os.fsync(self._file.fileno())


def remove_finished(path: pathlib.Path) -> None:
    """Remove a journal whose batches are elsewhere, unless a living process has it open."""
    if path.exists():
        try:
            file = _locked(path)
        except InputError:
            return
        with file:
            path.unlink(missing_ok=True)


def _locked(path: pathlib.Path) -> io.BufferedRandom:
    """The file, open to read from the start and to append, and this process's alone.

    Raises:
        InputError: it is another's.
    """
    while True:
        file = path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise InputError(
                f"Expected {path} to be of no other process. Received: one is writing it. "
                "Wait until that extraction ends, or stop it."
            ) from error
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            file.seek(0)
            return file
        file.close()  # its process removed it just before the lock was free


def _records(file: io.BufferedRandom, before: int) -> Iterator[tuple[bytes, int]]:
    """The records, each with its checksum, from the start to the first that does not fit."""
    left = os.fstat(file.fileno()).st_size
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        magic, size, checksum = _HEAD.unpack(head)
        left -= _HEAD.size + size
        if magic != MAGIC or left < 0:  # a damaged length asks for no memory
            return
        record = file.read(size)
        if _checksum(record, before) != checksum:
            return
        yield record, checksum
        before = checksum


def _checksum(record: bytes, before: int) -> int:
    return zlib.crc32(record, zlib.crc32(len(record).to_bytes(8, "little"), before))


def _fits(batch: Batch, number: int, sizes: Sequence[int] | None) -> bool:
    return sizes is None or (number < len(sizes) and len(batch.present) == sizes[number])


def _packed(batch: Batch) -> bytes:
    """Sizes, features, presence, then the reasons as JSON: none of it sizes an allocation."""
    features = np.ascontiguousarray(batch.features, "<f4")
    parts = [
        _SIZES.pack(*features.shape),
        features.tobytes(),
        np.ascontiguousarray(batch.present, bool).tobytes(),
        json.dumps(batch.reasons).encode(),
    ]
    return b"".join(parts)


def _unpacked(record: bytes) -> Batch | None:
    """The batch; None if the record is none, though its checksum is right."""
    if len(record) < _SIZES.size:
        return None
    items, width = _SIZES.unpack_from(record)
    middle = _SIZES.size + 4 * items * width
    end = middle + items
    if end > len(record) or not items:
        return None
    present = np.frombuffer(record, np.uint8, items, middle)
    try:
        reasons = json.loads(record[end:])
    except (ValueError, RecursionError):
        return None
    are_texts = isinstance(reasons, list) and all(isinstance(each, str) for each in reasons)
    if not are_texts or len(reasons) != items or (present > 1).any():
        return None
    features = np.frombuffer(record, "<f4", items * width, _SIZES.size).reshape(items, width)
    return Batch(features.astype(np.float32), present.astype(bool), reasons)
