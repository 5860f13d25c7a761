"""Batches on disk while features are made: killed at any moment, it is whole up to the last one.

HDF5 is not: a file that is open for writing when its process dies may be lost. So batches are
appended here, each with its length and checksum, and the HDF5 file is written from them at once.
"""

from __future__ import annotations

import fcntl
import io
import os
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from drrec.errors import InputError

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

_HEAD = struct.Struct("<QI")  # bytes of the record, CRC-32 of them
_REASONS = "\n"


class Batch(NamedTuple):
    """What one batch of items came to."""

    features: np.ndarray  # [items, dim]
    present: np.ndarray  # [items] bool
    reasons: list[str]  # [items] why not, "" where present


class Journal:
    """An append-only file of batches, that belongs to one fingerprint and to one process."""

    def __init__(self, path: pathlib.Path, fingerprint: str) -> None:
        """Open the journal and read the whole batches in it, if it is of this fingerprint.

        Raises:
            InputError: another process has it open.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise InputError(
                f"Expected {path} to be of no other process. Received: one is writing it. "
                "Wait until that extraction ends, or stop it."
            ) from error
        self._file.seek(0)
        records = list(_records(self._file))
        end = sum(_HEAD.size + len(record) for record in records)
        if not records or records[0] != fingerprint.encode():
            records, end = [fingerprint.encode()], 0
        self._file.truncate(end)
        if not end:
            self._append(records[0])
        self.batches = [_unpacked(record) for record in records[1:]]

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
        self._file.write(_HEAD.pack(len(record), zlib.crc32(record)) + record)
        self._file.flush()
        os.fsync(self._file.fileno())


def _records(file: io.BufferedRandom) -> Iterator[bytes]:
    """The records from the start to the first that is cut or damaged."""
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        size, checksum = _HEAD.unpack(head)
        record = file.read(size)
        if len(record) < size or zlib.crc32(record) != checksum:
            return
        yield record


def _packed(batch: Batch) -> bytes:
    buffer = io.BytesIO()
    reasons = np.array(_REASONS.join(batch.reasons))
    np.savez(buffer, features=batch.features, present=batch.present, reasons=reasons)
    return buffer.getvalue()


def _unpacked(record: bytes) -> Batch:
    with np.load(io.BytesIO(record), allow_pickle=False) as arrays:
        reasons = str(arrays["reasons"]).split(_REASONS)
        return Batch(arrays["features"], arrays["present"], reasons)
