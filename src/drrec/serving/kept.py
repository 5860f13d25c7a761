"""An index that is kept beside its model: built once, and mapped into memory after that."""

from __future__ import annotations

import hashlib
import logging
import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple

from drrec.errors import InputError, told
from drrec.files import replaced, write_json
from drrec.locks import held
from drrec.reading import read_json

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

VERSION = 1
"""Of how an index is built; one of another version is built anew."""

_NOTE = {"version": int, "model": str, "index": str, "recall": float}


class Place(NamedTuple):
    """Where the index of a model is kept."""

    path: pathlib.Path
    model: str  # SHA-256 of the model's file

    @property
    def note(self) -> pathlib.Path:
        """What the index is of, and its SHA-256."""
        return self.path.with_name(f"{self.path.name}.json")


class Built(NamedTuple):
    """An index of faiss."""

    index: Any
    recall: float  # on the queries that it was tuned on


def kept_or_built(place: Place | None, build: Callable[[], Built]) -> Built:
    """The index that is kept, or a new one, which is kept from now on.

    Of several processes one builds it, and the others wait. A damaged index, or one of another
    model, is built anew; where nothing can be written, it is not kept.

    Args:
        place: where; None keeps nothing.
        build: makes it.
    """
    if place is None:
        return build()
    built = None
    try:
        with held(place.path, "the index of this model", wait=True):
            found = _read(place)
            if found is None:
                built = build()
                _write(place, built)
                found = _read(place)
            return found or built or build()
    except OSError as error:
        logger.warning("the index is not kept: %s", told(error))
        return built or build()


def _read(place: Place) -> Built | None:
    import faiss

    if not (place.path.is_file() and place.note.is_file()):
        return None
    try:
        note = read_json(place.note, _NOTE)
    except InputError:
        return None
    expected = {"version": VERSION, "model": place.model, "index": _sha256(place.path)}
    if {name: note[name] for name in expected} != expected:
        return None
    # The other way, IO_FLAG_MMAP, starts threads in each search, which takes three times as long.
    index = faiss.read_index(str(place.path), faiss.IO_FLAG_MMAP_IFC)
    return Built(index, note["recall"])


def _write(place: Place, built: Built) -> None:
    import faiss

    place.note.unlink(missing_ok=True)  # without it there is no index, whatever stands there
    with replaced(place.path) as side:
        faiss.write_index(built.index, str(side))
        index = _sha256(side)
    note = {"version": VERSION, "model": place.model, "index": index, "recall": built.recall}
    write_json(place.note, note)


def _sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
