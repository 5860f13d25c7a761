"""Lines of published files, plain or compressed, one at a time: never a whole file in memory."""

from __future__ import annotations

import gzip
import io
import logging
import zlib
from typing import TYPE_CHECKING, Generic, TypeVar

from drrec.data.readers import lines
from drrec.data.readers.checks import short
from drrec.errors import InputError, told

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator
    from typing import Literal

logger = logging.getLogger(__name__)

T = TypeVar("T")

_GZIP = b"\x1f\x8b"
_BUFFER = 1 << 20
_BOM = "\ufeff"
_PROGRESS = 5_000_000


class Fault(ValueError):
    """Why a line is not what it should be, as "Expected … Received: …"."""


class Rows(Generic[T]):
    """What `parse` makes of each line of a file, while malformed ones are refused or counted."""

    def __init__(
        self,
        path: pathlib.Path,
        parse: Callable[[str], T],
        *,
        has_header: bool = False,
        bad_rows: Literal["stop", "skip"] = "stop",
    ) -> None:
        self.path = path
        self.num_read = 0
        self.num_skipped = 0
        self.first_skipped = ""
        self.is_ended = False
        self._parse = parse
        self._has_header = has_header
        self._bad_rows = bad_rows

    def __iter__(self) -> Iterator[T]:
        """The good rows in their order; blank lines are no rows.

        Raises:
            InputError: a row is malformed and those are not skipped, or most are, or it is the
                last and without an end; the file is missing, empty, cut or no gzip file.
        """
        number, line = 0, b""
        for number, line in numbered(self.path):
            if (number == 1 and self._has_header) or not line.strip():
                continue
            try:
                row = self._parse(_decoded(line, number))
            except Fault as fault:
                self._note(fault, number, is_cut=not line.endswith(b"\n"))
                continue
            self.num_read += 1
            if self.num_read % _PROGRESS == 0:
                logger.info("%s: %s rows", self.path.name, f"{self.num_read:,}")
            yield row
        if not number:
            raise lines.no_rows(self.path)
        self.is_ended = line.endswith(b"\n")
        self._check_share()

    def _note(self, fault: Fault, number: int, *, is_cut: bool) -> None:
        where = f"{fault} in line {number} of {self.path}"
        if is_cut:
            raise InputError(
                f"{where}, its last, which has no line end: the file may be cut short. "
                "Get it again, or remove that line."
            )
        if self._bad_rows == "stop":
            raise InputError(f"{where}. Mend or remove that line, or pass `--bad-rows skip`.")
        self.first_skipped = self.first_skipped or where
        self.num_skipped += 1

    def _check_share(self) -> None:
        if self.num_skipped > self.num_read:
            raise InputError(
                f"Expected a few malformed rows at most in {self.path}. Received: "
                f"{self.num_skipped:,} of {self.num_skipped + self.num_read:,}, the first: "
                f"{self.first_skipped}. Is it another file?"
            )
        if self.num_skipped:
            logger.warning(
                "%s: skipped %s malformed rows, the first: %s",
                *(self.path, f"{self.num_skipped:,}", self.first_skipped),
            )


def numbered(path: pathlib.Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a plain file, or of what a gzip file holds, with their 1-based numbers.

    Raises:
        InputError: the file cannot be read, or what is compressed in it is cut or damaged.
    """
    number = 0
    try:
        with path.open("rb", buffering=_BUFFER) as file:
            is_zipped = file.read(2) == _GZIP
            file.seek(0)
            if not is_zipped:
                yield from enumerate(file, start=1)
                return
            with gzip.open(file) as unzipped:
                for number, line in enumerate(io.BufferedReader(unzipped, 1 << 16), start=1):
                    yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"Expected a whole gzip file at {path}. Received: {told(error)}, after line {number}. "
            "Get it again."
        ) from error
    except OSError as error:
        raise lines.unreadable(path, error) from error


def header(path: pathlib.Path) -> str:
    """The first line of a file, plain or compressed, without its end and its BOM.

    Raises:
        InputError: the file cannot be read, or is empty.
    """
    for number, line in numbered(path):
        try:
            return _decoded(line, number)
        except Fault as fault:
            raise InputError(f"{fault} in line 1 of {path}. Get it again.") from fault
    raise lines.no_rows(path)


def _decoded(line: bytes, number: int) -> str:
    try:
        text = line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise Fault(f"Expected UTF-8. Received: {short(repr(line[error.start :]))}") from None
    return text.removeprefix(_BOM) if number == 1 else text
