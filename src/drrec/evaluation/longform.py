"""Tables as CSV, a row for each method and metric, for other programs."""

from __future__ import annotations

import csv
import math
import pathlib
from typing import TYPE_CHECKING, Any

from drrec.errors import InputError, told
from drrec.files import replaced

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from drrec.evaluation.result import Cells

COLUMNS = ("method", "metric", "mean", "low", "high", "std", "num_users")
"""`std` is empty with one seed; any number that is not known is empty."""


def write_long(path: str | os.PathLike[str], methods: Mapping[str, Cells]) -> None:
    """Write `{method: {metric: cell}}`, numbers in full, whole or not at all."""
    with replaced(path) as side, side.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for method, cells in methods.items():
            for metric, cell in cells.items():
                writer.writerow([method, metric, *(_text(cell.get(key)) for key in COLUMNS[2:])])


def read_long(path: str | os.PathLike[str]) -> dict[str, Cells]:
    """Read what `write_long` wrote: `{method: {metric: cell}}`, unknown numbers None.

    Raises:
        InputError: the file is missing, or is not such a table.
    """
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise InputError(f"Expected a table at {path}. Received: {told(error)}.") from error
    rows = list(csv.reader(text.splitlines()))
    if not rows or tuple(rows[0]) != COLUMNS:
        raise InputError(
            f"Expected the columns {', '.join(COLUMNS)} in {path}. Received: "
            f"{', '.join(rows[0]) if rows else 'an empty file'}. Write the report again."
        )
    found: dict[str, Cells] = {}
    for number, row in enumerate(rows[1:], start=2):
        try:
            method, metric, *numbers = row
            found.setdefault(method, {})[metric] = _cell(numbers)
        except ValueError as error:
            raise InputError(
                f"Expected a method, a metric and {len(COLUMNS) - 2} numbers in {path}, line "
                f"{number}. Received: {','.join(row)}. Write the report again."
            ) from error
    return found


def _text(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else repr(value)


def _cell(numbers: list[str]) -> dict[str, Any]:
    cell: dict[str, Any] = {
        key: float(text) if text else None
        for key, text in zip(COLUMNS[2:-1], numbers[:-1], strict=True)
    }
    if cell["std"] is None:
        del cell["std"]
    return cell | {"num_users": int(numbers[-1])}
