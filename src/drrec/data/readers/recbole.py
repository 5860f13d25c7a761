"""RecBole's atomic files: `<name>.inter` with typed columns, and `<name>.item` beside it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from drrec.data.config import LogConfig
from drrec.data.logs import dataset_of
from drrec.data.readers import columns, files, lines
from drrec.data.readers.staged import staging
from drrec.data.readers.titles import ItemTable, ItemWords, read_words
from drrec.data.strategies import TEST, TRAIN, VALIDATION
from drrec.errors import InputError

if TYPE_CHECKING:
    import pathlib

    from drrec.data.dataset import Dataset
    from drrec.data.interactions import IdMap, Repeats

PARTS = {"train": TRAIN, "valid": VALIDATION, "test": TEST}
"""Benchmark files, `<name>.<part>.inter`, which give the parts of the split `given`."""


def load(path: pathlib.Path, repeats: Repeats = "drop", config: LogConfig | None = None) -> Dataset:
    """Read an `.inter` file, or those of a folder, and the `.item` file beside them if any.

    The header reads `user_id:token item_id:token rating:float timestamp:float`, tab-separated,
    in any order, among any others; the types may be left out. What an absent rating or timestamp
    means is said in `files.load`. A folder with `<name>.train.inter`, `<name>.valid.inter` and
    `<name>.test.inter` is divided as these are.

    Raises:
        InputError: there is no such file, or which one is unclear, or it is bad.
    """
    config = config or LogConfig()
    ratings = inter_file(path) if path.is_dir() else path
    if parted := benchmark_files(ratings):
        name = ratings.name.split(".")[0]
        with staging(str(next(iter(parted.values()))), list(parted.values())) as log:
            for part, file in parted.items():
                files.read(file, config, log, part)
            dataset = dataset_of(log, name, config, repeats)
        words_file = ratings.with_name(f"{name}.item")
    else:
        dataset = files.load(ratings, config, repeats)
        words_file = ratings.with_suffix(".item")
    words = _words(words_file, dataset.interactions.items)
    return dataclasses.replace(dataset, **words._asdict()) if words else dataset


def benchmark_files(path: pathlib.Path) -> dict[int, pathlib.Path]:
    """The files that belong to `<name>.<part>.inter`, by part; none if it is not named so."""
    name, *rest = path.name.split(".")
    if len(rest) != 2 or rest[0] not in PARTS:
        return {}
    found = {part: path.with_name(f"{name}.{word}.inter") for word, part in PARTS.items()}
    return {part: file for part, file in found.items() if file.exists()}


def inter_file(folder: pathlib.Path) -> pathlib.Path:
    """The ratings of a folder: `<folder>.inter`, or the only `.inter` file, or benchmark files.

    Raises:
        InputError: there is none, or which one is unclear.
    """
    found = sorted(folder.glob("*.inter"))
    named = folder / f"{folder.resolve().name}.inter"
    if named in found:
        return named
    if found and sorted(benchmark_files(found[0]).values()) == found:
        return found[0]
    if len(found) != 1:
        raise InputError(
            f"Expected {named.name}, or one .inter file, or one name's .train.inter, .valid.inter "
            f"and .test.inter, in {folder}. Received: {len(found)} others. Name the file itself."
        )
    return found[0]


def _words(path: pathlib.Path, items: IdMap) -> ItemWords | None:
    if not path.exists():
        return None
    header = lines.header(path)
    names = [
        columns.plain(name) for name in columns.split_header(header.text, "\t", is_quoted=False)
    ]
    where = f"line {header.line} of {path}"
    item = columns.item_column(names, where)
    title = columns.only(names, columns.TITLES, "title", where)
    genres = columns.first(names, columns.GENRES)
    if item is None or (title is None and genres is None):
        return None
    table = ItemTable(
        separator="\t",
        num_fields=len(names),
        before=header.line,
        item=item,
        title=title,
        year=columns.only(names, ("releaseyear", "year"), "year", where),
        genres=genres,
    )
    return read_words(path, table, items)
