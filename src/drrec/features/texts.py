"""What there is to read of an item: title, year, genres, and a plot where somebody wrote one."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, NamedTuple

from drrec.data.readers import columns, lines
from drrec.errors import InputError, shown
from drrec.reading import read_json_lines

if TYPE_CHECKING:
    import pathlib

    from drrec.data.dataset import Dataset

logger = logging.getLogger(__name__)

PLOTS = ("plot", "text", "description", "overview", "synopsis", "caption")
"""Names of the column with the plot, written as `columns.ALIASES` are; the first counts."""


class Texts(NamedTuple):
    """The texts of a data set's items, and the plots that belong to none."""

    words: list[str]  # [I'] by dense id from 1, "" where there is nothing to read
    unknown: list[str]  # raw ids


def texts_of(dataset: Dataset, plots: pathlib.Path | None) -> Texts:
    """Title, genres and plot of every item, as one text each.

    Args:
        dataset: titles in MovieLens' form, "Matrix, The (1999)", are turned round.
        plots: CSV with columns item_id and plot, text, description or caption, or JSON lines
            (.jsonl) with such fields; None for none.

    Raises:
        InputError: that file is missing or lacks a column, or a row of it is cut.
    """
    by_item = _plots(plots) if plots else {}
    items = dataset.interactions.items
    rows = zip(items.raw[1:].tolist(), dataset.titles[1:], dataset.genres[1:], strict=True)
    words = [
        " ".join(
            part if part[-1] in ".!?" else f"{part}."
            for part in (_turned(str(title)), str(genres), by_item.get(raw, ""))
            if part
        )
        for raw, title, genres in rows
    ]
    return Texts(words, [raw for raw in by_item if raw not in items])


def _turned(title: str) -> str:
    match = re.fullmatch(r"(.+), (The|A|An|Le|La|Les|Il|El|Das|Der|Die)( \(.*\))?", title)
    return f"{match[2]} {match[1]}{match[3] or ''}" if match else title


def _plots(path: pathlib.Path) -> dict[str, str]:
    header, rows = _json_table(path) if path.suffix == ".jsonl" else lines.small_table(path, ",;\t")
    names = [columns.plain(name) for name in header]
    item = columns.item_column(names, f"line 1 of {path}")
    plot = columns.first(names, PLOTS)
    if item is None or plot is None:
        raise InputError(
            f"Expected columns item_id and plot (or {', '.join(PLOTS[1:])}) in line 1 of {path}. "
            f"Received: {shown(', '.join(header)[:80])}. Name the columns in the first line."
        )
    found: dict[str, str] = {}
    several = set()
    for row in rows:
        raw, words = row.fields[item].strip(), " ".join(row.fields[plot].split())
        if found.get(raw, words) != words:
            several.add(raw)
        found[raw] = words
    if several:
        named = ", ".join(sorted(several)[:5])
        logger.warning(
            "%s has several texts of %d items (%s): the last of each is read",
            *(path, len(several), named),
        )
    return found


def _json_table(path: pathlib.Path) -> tuple[list[str], list[lines.Row]]:
    """Objects of JSON lines as rows; the first one's fields are the columns."""
    objects = read_json_lines(path, {str: (str, int, float, bool, None)})
    names = list(objects[0]) if objects else []
    rows = []
    for number, each in enumerate(objects, start=1):
        values = [each.get(name) for name in names]
        rows.append(lines.Row(number, ["" if value is None else str(value) for value in values]))
    return names, rows
