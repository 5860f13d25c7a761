"""MovieLens as GroupLens hands it out, in each of its three forms."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from drrec.data.columns import rating_table
from drrec.data.interactions import Dataset
from drrec.data.lines import first_line
from drrec.data.rows import RatingTable, read_interactions
from drrec.data.titles import TitleTable, read_titles
from drrec.errors import InputError

if TYPE_CHECKING:
    import pathlib


@dataclasses.dataclass(frozen=True)
class Form:
    """A pair of files and how each is laid out."""

    ratings: RatingTable | None
    """None where the header says it."""
    movies: str
    titles: TitleTable


FORMS: dict[str, Form] = {
    "u.data": Form(
        RatingTable(separator="\t", num_fields=4, user=0, item=1, rating=2, timestamp=3),
        "u.item",
        TitleTable(separator="|", num_fields=24, item=0, title=1),
    ),
    "ratings.dat": Form(
        RatingTable(separator="::", num_fields=4, user=0, item=1, rating=2, timestamp=3),
        "movies.dat",
        TitleTable(separator="::", num_fields=3, item=0, title=1),
    ),
    "ratings.csv": Form(
        None,
        "movies.csv",
        TitleTable(separator=",", num_fields=3, item=0, title=1, has_header=True, is_quoted=True),
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
            titles = read_titles(folder / form.movies, form.titles, interactions.items)
            return Dataset(folder.resolve().name, interactions, titles)
    raise InputError(
        f"Expected {', '.join(FORMS)} in {folder}. Received: none of them. "
        "Remove the folder and fetch the data again: `python run.py data <name>`."
    )
