"""A download that ends whole and verified, or not at all."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from drrec.errors import InputError
from drrec.files import replaced

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

TIMEOUT = 20.0
"""Seconds without an answer, or between two pieces of it."""

_CHUNK = 1 << 18


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirection that gives up encryption."""

    def redirect_request(
        self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str
    ) -> Any:
        """The request to make in the place of `req`; see the base class."""
        if req.type == "https" and not newurl.lower().startswith("https:"):
            raise urllib.error.URLError(f"it redirects to {newurl[:200]!r}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """As `urlopen` has it, but for http and https alone: no files, no FTP, no data in URLs."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


class Unreachable(Exception):
    """The host did not answer, or broke off."""


def download(url: str, path: pathlib.Path, size: int, sha256: str) -> None:
    """Download a file of known size in bytes and SHA-256, by http or https.

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
        with _opener().open(url, timeout=TIMEOUT) as response:
            while chunk := response.read(_CHUNK):
                yield chunk
            if getattr(response, "length", 0):  # the rest of what was announced
                raise ConnectionError(f"it broke off {response.length:,} bytes before the end")
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise Unreachable(f"{url} cannot be reached ({reason})") from error
