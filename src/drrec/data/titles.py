"""What items are called: titles by raw id, put in the order of the dense ids."""

from __future__ import annotations

import dataclasses
import logging
import re
from typing import TYPE_CHECKING

import numpy as np

from drrec.data import lines

if TYPE_CHECKING:
    import pathlib

    from drrec.data.interactions import IdMap

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TitleTable(lines.Table):
    """A delimited file of items, and which of its columns is what."""

    item: int
    title: int
    year: int | None = None
    """A column with the year of release, put after a title that does not end in one."""


def read_titles(path: pathlib.Path, table: TitleTable, items: IdMap) -> np.ndarray:
    """The titles [I] str of all `items`, "" where the file, or its row, is missing.

    Raises:
        InputError: a row has too few fields or too many; the message says which line.
    """
    found: dict[str, str] = {}
    if not path.exists():
        logger.warning("No titles: there is no %s", path)
        return np.full(len(items), "", dtype="<U1")
    for encoding in lines.ENCODINGS:
        try:
            rows = [row for _, row in lines.numbered(path, table, encoding)]
        except UnicodeDecodeError:
            continue
        found = {row[table.item].strip(): _title(row, table) for row in rows}
        break
    return np.array(["", *(found.get(raw, "") for raw in items.raw[1:].tolist())])


def _title(row: list[str], table: TitleTable) -> str:
    title = " ".join(row[table.title].split())
    year = row[table.year].strip() if table.year is not None else ""
    if title and re.fullmatch(r"\d{4}", year) and not re.search(r"\(\d{4}\)$", title):
        return f"{title} ({year})"
    return title
