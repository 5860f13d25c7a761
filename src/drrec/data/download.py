"""A download that ends whole and verified, or not at all."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from tqdm import tqdm

from drrec.errors import InputError
from drrec.files import replaced

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

TIMEOUT = 20.0
"""Seconds without an answer, or between two pieces of it."""

_CHUNK = 1 << 18


class Unreachable(Exception):
    """The host did not answer, or broke off."""


def download(url: str, path: pathlib.Path, size: int, sha256: str) -> None:
    """Download a file of known size in bytes and SHA-256.

    Raises:
        Unreachable: the host cannot be reached, refuses, or breaks off.
        InputError: what came is not the file that was expected.
        OSError: it cannot be written.
    """
    digest = hashlib.sha256()
    received = 0
    chunks = _chunks(url)
    first = next(chunks, b"")  # before anything is written
    bar = tqdm(total=size, unit="B", unit_scale=True, unit_divisor=1024, desc=path.name)
    with bar, replaced(path) as side, side.open("wb") as file:
        chunk = first
        while chunk and received <= size:
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            bar.update(len(chunk))
            chunk = next(chunks, b"")
        if received != size:
            raise InputError(
                f"Expected {size:,} bytes from {url}. Received: "
                f"{'more' if received > size else f'{received:,}'}. Run this again."
            )
        if digest.hexdigest() != sha256:
            raise InputError(
                f"Expected SHA-256 {sha256} of {url}. Received: {digest.hexdigest()}. "
                "The file on the host has changed, or it is not that host: do not use it."
            )


def _chunks(url: str) -> Iterator[bytes]:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            while chunk := response.read(_CHUNK):
                yield chunk
            if getattr(response, "length", 0):  # the rest of what was announced
                raise ConnectionError(f"it broke off {response.length:,} bytes before the end")
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise Unreachable(f"{url} cannot be reached ({reason})") from error
