"""MovieLens as GroupLens hands it out, in each of its three forms."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from drrec.data.config import LogConfig
from drrec.data.logs import dataset_of
from drrec.data.readers import text
from drrec.data.readers.columns import Columns
from drrec.data.readers.staged import staging
from drrec.data.readers.text import LogTable
from drrec.data.readers.titles import ItemTable, read_words
from drrec.data.strategies import TEST, TRAIN
from drrec.errors import InputError

if TYPE_CHECKING:
    import pathlib

    from drrec.data.dataset import Dataset

GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
"""The flags at the end of a row of `u.item`, in their order (MovieLens-100K's `u.genre`)."""


@dataclasses.dataclass(frozen=True)
class Form:
    """A pair of files and how each is laid out."""

    ratings: LogTable | None
    """None where the header says it."""
    movies: str
    words: ItemTable


_COLUMNS = Columns(user=0, item=1, rating=2, timestamp=3)
_TABBED = LogTable(separator="\t", num_fields=4, columns=_COLUMNS)

FORMS: dict[str, Form] = {
    "u.data": Form(
        _TABBED,
        "u.item",
        ItemTable(separator="|", num_fields=24, item=0, title=1, flags=GENRES),
    ),
    "ratings.dat": Form(
        LogTable(separator="::", num_fields=4, columns=_COLUMNS),
        "movies.dat",
        ItemTable(separator="::", num_fields=3, item=0, title=1, genres=2),
    ),
    "ratings.csv": Form(
        None,
        "movies.csv",
        ItemTable(
            separator=",",
            num_fields=3,
            item=0,
            title=1,
            genres=2,
            before=1,
            is_quoted=True,
        ),
    ),
}
"""By the name of the file with the ratings."""


PAIRS = tuple(f"u{name}" for name in ("1", "2", "3", "4", "5", "a", "b"))
"""MovieLens-100K's own splits, `u1.base` and `u1.test` and so on."""


def load(folder: pathlib.Path, config: LogConfig | None = None) -> Dataset:
    """Read a MovieLens folder, whichever form it has.

    Raises:
        InputError: it has none of them, or a file of it is bad.
    """
    for name, form in FORMS.items():
        if (folder / name).is_file():
            path = folder / name
            with staging(str(path), [path]) as log:
                text.read(path, form.ratings or text.table_of(path, config), log)
                dataset = dataset_of(log, folder.resolve().name, config)
            return _with_words(dataset, folder, form)
    if pair := next((name for name in PAIRS if (folder / f"{name}.base").is_file()), None):
        return load_pair(folder / f"{pair}.base", config)
    raise InputError(
        f"Expected {', '.join(FORMS)} in {folder}. Received: none of them. "
        "Remove the folder and fetch the data again: `python run.py data <name>`."
    )


def is_pair(path: pathlib.Path) -> bool:
    """Whether a file is one of `PAIRS`, with its other half beside it."""
    both = all(path.with_suffix(end).is_file() for end in (".base", ".test"))
    return path.suffix in (".base", ".test") and both


def load_pair(path: pathlib.Path, config: LogConfig | None = None) -> Dataset:
    """Read `u1.base` and `u1.test`, say: train and test of the split `given`.

    Raises:
        InputError: a file of it is bad.
    """
    ends = {TRAIN: ".base", TEST: ".test"}
    halves = {part: path.with_suffix(end) for part, end in ends.items()}
    with staging(str(halves[TRAIN]), list(halves.values())) as log:
        for part, half in halves.items():
            text.read(half, _TABBED, log, part)
        dataset = dataset_of(log, path.stem, config)
    return _with_words(dataset, path.parent, FORMS["u.data"])


def _with_words(dataset: Dataset, folder: pathlib.Path, form: Form) -> Dataset:
    words = read_words(folder / form.movies, form.words, dataset.interactions.items)
    return dataclasses.replace(dataset, titles=words.titles, genres=words.genres)
