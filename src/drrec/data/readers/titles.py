"""What items are called: titles and genres by raw id, put in the order of the dense ids."""

from __future__ import annotations

import dataclasses
import logging
import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.data.ids import as_text
from drrec.data.readers import lines
from drrec.data.readers.opened import ENCODINGS
from drrec.limits import current

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence

    from drrec.data.ids import IdMap

logger = logging.getLogger(__name__)


_UNSOUND = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

NO_GENRE = ("", "unknown", "(no genres listed)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ItemTable(lines.Table):
    """A delimited file of items, and which of its columns is what."""

    item: int
    title: int | None = None
    year: int | None = None
    """A column with the year of release, put after a title that does not end in one."""
    genres: int | None = None
    """A column of genres, separated by `|`, by commas or else by blanks."""
    flags: tuple[str, ...] = ()
    """Genres of which the last columns say 1 or 0, one column each."""


class ItemWords(NamedTuple):
    """What there is to read of all items."""

    titles: np.ndarray  # [I] str, "" where the file, or its row, is missing
    genres: np.ndarray  # [I] str, joined by ", "


def read_words(path: pathlib.Path, table: ItemTable, items: IdMap) -> ItemWords:
    """The titles and genres of all `items`.

    Raises:
        InputError: a row has too few fields or too many; the message says which line.
    """
    rows: list[list[str]] = []
    if not path.exists():
        logger.warning("No titles: there is no %s", path)
    else:
        for encoding in ENCODINGS:
            try:
                rows = [row for _, row in lines.numbered(path, table, encoding)]
            except UnicodeDecodeError:
                continue
            break
    by_id = {row[table.item].strip(): row for row in rows}
    found = [by_id.get(raw) for raw in items.raw[1:].tolist()]
    return ItemWords(
        sound_words(["", *(_title(row, table) if row else "" for row in found)]),
        sound_words(["", *(_genres(row, table) if row else "" for row in found)]),
    )


def sound_words(words: Sequence[str]) -> np.ndarray:
    """[n] object: texts without control characters, cut where they are longer than may be."""
    most = current().max_title_length
    cut = sum(len(each) > most for each in words)
    if cut:
        logger.warning("%d texts are cut after %s characters (see --max-title-length)", cut, most)
    return as_text([_UNSOUND.sub("\N{REPLACEMENT CHARACTER}", each[:most]) for each in words])


def _title(row: list[str], table: ItemTable) -> str:
    title = " ".join(row[table.title].split()) if table.title is not None else ""
    year = row[table.year].strip() if table.year is not None else ""
    if title and re.fullmatch(r"\d{4}", year) and not re.search(r"\(\d{4}\)$", title):
        return f"{title} ({year})"
    return title


def _genres(row: list[str], table: ItemTable) -> str:
    names: list[str] = []
    if table.flags:
        marks = row[-len(table.flags) :]
        names = [name for name, mark in zip(table.flags, marks, strict=True) if mark.strip() == "1"]
    elif table.genres is not None:
        cell = row[table.genres]
        separator = next((mark for mark in "|," if mark in cell), None)
        names = [" ".join(name.split()) for name in cell.split(separator)]
        names = [cell.strip()] if cell.strip() in NO_GENRE else names
    return ", ".join(name for name in names if name not in NO_GENRE)
