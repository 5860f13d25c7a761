"""What a language model wrote, in JSON lines by key: appended batch by batch, ordered at the end.

A process that is killed loses the batch it was at. What is there stays while it is made of the
same; what is empty is refused, so that a failure never passes for an answer.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Self

from drrec.errors import InputError
from drrec.files import flush, made_folder, write_text
from drrec.locks import held
from drrec.reading import conform, read_json_lines

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

MADE_OF = "made_of"
"""The field with the hash of all that decides a record."""

Record = dict[str, Any]
Key = tuple[Any, ...]


class Records:
    """Records in a file, and those of a run that is not through in one beside it."""

    def __init__(
        self,
        path: pathlib.Path,
        declared: Mapping[str, Any],
        key: Sequence[str],
        made_of: Callable[[Key], str | None],
    ) -> None:
        """Read what there is and still holds; nothing else writes the file until this is closed.

        Args:
            path: the file of JSON lines.
            declared: the fields of a record, see `reading.conform`; texts among them are not empty.
            key: the fields that tell records apart.
            made_of: the hash by a record's key; None drops the record.

        Raises:
            InputError: the file is damaged, or another process writes it.
        """
        self._path, self._key = path, key
        self._declared = {**declared, MADE_OF: str}
        self._made_of = made_of
        self._side = path.with_name(f".{path.name}.part")
        made_folder(path.parent)
        self._lock = held(path, f"{path}")
        self._lock.__enter__()
        try:
            every = read_json_lines(path, self._declared) if path.exists() else []
            self._file = self._side.open("a+b")
            every += self._left()
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        found = {self.key_of(record): record for record in every}
        self.found = {key: one for key, one in found.items() if made_of(key) == one[MADE_OF]}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._lock.__exit__(None, None, None)

    def key_of(self, record: Record) -> Key:
        """The values of its key's fields."""
        return tuple(record[name] for name in self._key)

    def batches(self, keys: Sequence[Key], size: int) -> Iterator[list[Key]]:
        """Of each `size` keys in turn, those that have no record when it is their turn.

        Which keys stand together does not depend on what is there: a batch's size decides the last
        digits of what a model computes, and a run that goes on must end in the same bytes.
        """
        for first in range(0, len(keys), size):
            if left := [key for key in keys[first : first + size] if key not in self.found]:
                yield left

    def add(self, records: Iterable[Record]) -> None:
        """Append records; they are on disk when this returns.

        Raises:
            ValueError: one is empty, or of another form.
        """
        lines = []
        for each in records:
            key = self.key_of(each)
            record = each | {MADE_OF: self._made_of(key)}
            conform(record, self._declared, "a record")
            if not all(value.strip() for value in record.values() if isinstance(value, str)):
                raise ValueError(f"Expected no empty text in a record. Received: {record}.")
            self.found[key] = record
            lines.append(_line(record))
        self._file.write(b"".join(lines))
        self._file.flush()
        os.fsync(self._file.fileno())

    def finish(self, order: Iterable[Key]) -> None:
        """Write the records into the file in this order, and remove what is beside it."""
        lines = [_line(self.found[key]) for key in order if key in self.found]
        write_text(self._path, b"".join(lines).decode())
        self._side.unlink()
        flush(self._path.parent)

    def _left(self) -> list[Record]:
        """The whole records of the file beside, which is cut to the end of the last of them."""
        self._file.seek(0)
        kept, end = [], 0
        for line in self._file:
            try:
                record = json.loads(line)
                conform(record, self._declared, "a record")
            except (ValueError, InputError, RecursionError):
                break
            if not line.endswith(b"\n"):
                break
            kept.append(record)
            end += len(line)
        self._file.truncate(end)
        return kept


def _line(record: Record) -> bytes:
    return json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n"
