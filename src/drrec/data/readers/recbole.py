"""RecBole's atomic files: `<name>.inter` with typed columns, and `<name>.item` beside it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from drrec.data.readers import columns
from drrec.data.readers.lines import first_line
from drrec.data.readers.titles import ItemTable, ItemWords, read_words
from drrec.errors import InputError

if TYPE_CHECKING:
    import pathlib

    from drrec.data.interactions import Dataset, IdMap, Repeats

TITLES = ("movietitle", "title", "name", "itemname", "artistname")
"""Names of the title column, written as `columns.ALIASES` are."""
GENRES = ("genres", "genre", "class", "categories", "category")
"""Names of the genres column; the first of them that there is counts."""


def load(path: pathlib.Path, repeats: Repeats = "drop") -> Dataset:
    """Read an `.inter` file, or the one of a folder, and the `.item` file beside it if any.

    The header reads `user_id:token item_id:token rating:float timestamp:float`, tab-separated,
    in any order, among any others; the types may be left out. What an absent rating or timestamp
    means is said in `columns.load`.

    Raises:
        InputError: there is no such file, or which one is unclear, or it is bad.
    """
    ratings = inter_file(path) if path.is_dir() else path
    dataset = columns.load(ratings, repeats)
    words = _words(ratings.with_suffix(".item"), dataset.interactions.items)
    return dataclasses.replace(dataset, **words._asdict()) if words else dataset


def inter_file(folder: pathlib.Path) -> pathlib.Path:
    """The ratings of a folder: `<folder>.inter`, or the only `.inter` file.

    Raises:
        InputError: there is none, or which one is unclear.
    """
    found = sorted(folder.glob("*.inter"))
    named = folder / f"{folder.resolve().name}.inter"
    if named in found:
        return named
    if len(found) != 1:
        raise InputError(
            f"Expected {named.name}, or one .inter file, in {folder}. Received: {len(found)} of "
            "them. Name the file itself."
        )
    return found[0]


def _words(path: pathlib.Path, items: IdMap) -> ItemWords | None:
    if not path.exists():
        return None
    names = columns.split_header(first_line(path), "\t", is_quoted=False)
    item = columns.item_column(path, names)
    title = columns.find(path, names, TITLES)
    genres = next((names.index(name) for name in GENRES if name in names), None)
    if item is None or (title is None and genres is None):
        return None
    table = ItemTable(
        separator="\t",
        num_fields=len(names),
        has_header=True,
        item=item,
        title=title,
        year=columns.find(path, names, ("releaseyear", "year")),
        genres=genres,
    )
    return read_words(path, table, items)
