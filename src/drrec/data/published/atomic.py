"""Writes RecBole's atomic files: `<name>.inter` and `<name>.item`, with typed columns and tabs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from drrec.data.engine import quoted

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable, Mapping, Sequence

    import duckdb
    import numpy as np

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_NAMES = {
    "user": "user_id:token",
    "item": "item_id:token",
    "timestamp": "timestamp:float",
    "rating": "rating:float",
    "session": "session_id:token",
    "part": "x_label:float",
}


class Words(NamedTuple):
    """What one item is called."""

    title: str
    genres: Sequence[str]


def write_inter(
    connection: duckdb.DuckDBPyConnection,
    path: pathlib.Path,
    columns: Mapping[str, np.ndarray],
    users: np.ndarray,
    items: np.ndarray,
) -> None:
    """Write rows in their order.

    Args:
        connection: to an engine that may write the file.
        path: the file.
        columns: [R] each: user, item, and perhaps timestamp, rating, session, part.
        users: [U] raw ids, by `user`.
        items: [I] raw ids, by `item`; padding has a place, and no row.
    """
    import pandas as pd

    ids = {"user": users, "item": items}
    made: Any = pd.Categorical.from_codes
    named = {
        name: made(column, ids[name]) if name in ids else column for name, column in columns.items()
    }
    connection.register("given", pd.DataFrame(named, copy=False))
    chosen = ", ".join(f'{name} AS "{_NAMES[name]}"' for name in _NAMES if name in columns)
    form = "FORMAT csv, HEADER, DELIMITER '\t', QUOTE '', ESCAPE ''"
    target = quoted(str(path.resolve()))
    connection.execute(f"COPY (SELECT {chosen} FROM given) TO {target} ({form})")
    connection.unregister("given")


def write_items(path: pathlib.Path, items: Iterable[str], words: Iterable[Words]) -> None:
    """Write titles and genres, "" where there are none."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("item_id:token\ttitle:token_seq\tgenres:token_seq\n")
        for item, (title, genres) in zip(items, words, strict=True):
            file.write(f"{item}\t{_plain(title)}\t{_joined(genres)}\n")


def _joined(genres: Sequence[str]) -> str:
    """Genres with `|` after each, as one of two words would else be read as two."""
    names = [_plain(name).replace("|", "/") for name in genres]
    return "".join(f"{name}|" for name in names if name)


def _plain(text: str) -> str:
    # Control characters would break lines; half a character, which JSON may hold, is no UTF-8.
    return " ".join(_UNPRINTABLE.sub(" ", text).split())
