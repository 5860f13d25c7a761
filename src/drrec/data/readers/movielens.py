"""MovieLens as GroupLens hands it out, in each of its three forms."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from drrec.data.interactions import Dataset
from drrec.data.readers.columns import rating_table
from drrec.data.readers.lines import first_line
from drrec.data.readers.rows import RatingTable, read_interactions
from drrec.data.readers.titles import ItemTable, read_words
from drrec.errors import InputError

if TYPE_CHECKING:
    import pathlib

GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
"""The flags at the end of a row of `u.item`, in their order (MovieLens-100K's `u.genre`)."""


@dataclasses.dataclass(frozen=True)
class Form:
    """A pair of files and how each is laid out."""

    ratings: RatingTable | None
    """None where the header says it."""
    movies: str
    words: ItemTable


FORMS: dict[str, Form] = {
    "u.data": Form(
        RatingTable(separator="\t", num_fields=4, user=0, item=1, rating=2, timestamp=3),
        "u.item",
        ItemTable(separator="|", num_fields=24, item=0, title=1, flags=GENRES),
    ),
    "ratings.dat": Form(
        RatingTable(separator="::", num_fields=4, user=0, item=1, rating=2, timestamp=3),
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
            has_header=True,
            is_quoted=True,
        ),
    ),
}
"""By the name of the file with the ratings."""


def load(folder: pathlib.Path) -> Dataset:
    """Read a MovieLens folder, whichever form it has.

    Raises:
        InputError: it has none of them, or a file of it is bad.
    """
    for name, form in FORMS.items():
        if (folder / name).is_file():
            path = folder / name
            table = form.ratings or rating_table(path, first_line(path), ",", is_quoted=True)
            interactions = read_interactions(path, table)
            words = read_words(folder / form.movies, form.words, interactions.items)
            return Dataset(folder.resolve().name, interactions, *words)
    raise InputError(
        f"Expected {', '.join(FORMS)} in {folder}. Received: none of them. "
        "Remove the folder and fetch the data again: `python run.py data <name>`."
    )
