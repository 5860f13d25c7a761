"""Training logs of a run: `training.csv` and TensorBoard events."""

from __future__ import annotations

import contextlib
import csv
import itertools
import logging
import math
import os
from typing import TYPE_CHECKING, Self

import tensorflow as tf

from drrec.files import flush, replaced

if TYPE_CHECKING:
    import pathlib


logger = logging.getLogger(__name__)


class RunLog:
    """Rows of named numbers, by environment step."""

    def __init__(self, folder: pathlib.Path, from_step: int) -> None:
        """Go on after `from_step`: later rows, of a training that was killed, are dropped."""
        self._path = folder / "training.csv"
        kept = [row for row in read_rows(self._path) if float(row["step"]) <= from_step]
        if kept:
            with replaced(self._path) as side, side.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(kept[0]))
                writer.writeheader()
                writer.writerows(kept)
        else:
            self._path.unlink(missing_ok=True)
        self._events = tf.summary.create_file_writer(str(folder / "events"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._events.close()

    def row(self, step: int, values: dict[str, float]) -> None:
        """Append one row; it is on disk when this returns."""
        new = not self._path.exists()
        with self._path.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", *values])
            writer.writerow([step, *(f"{value:.6g}" for value in values.values())])
            file.flush()
            os.fsync(file.fileno())
        if new:
            flush(self._path.parent)
        with self._events.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._events.flush()


def read_rows(path: pathlib.Path) -> list[dict[str, str]]:
    """The rows of `training.csv`, none if there is no such file.

    A row that is cut, as a killed process or a power failure leaves it, or holds what is no number,
    is left out with all after it.
    """
    if not path.exists():
        return []
    text = path.read_bytes().decode(errors="replace")
    reader = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())  # a row has its end
    rows: list[dict[str, str]] = []
    with contextlib.suppress(csv.Error):
        rows.extend(itertools.takewhile(_is_whole, reader))
    left_out = len(text.splitlines()) - 1 - len(rows)
    if left_out > 0:
        logger.warning("%s: %d rows at its end cannot be read, and are left out", path, left_out)
    return rows


def _is_whole(row: dict[str, str]) -> bool:
    if "step" not in row or None in row or None in row.values():
        return False
    with contextlib.suppress(ValueError):
        return all(not math.isinf(float(value)) for value in row.values())
    return False


def columns(path: pathlib.Path) -> dict[str, list[float]]:
    """The columns of `training.csv`."""
    rows = read_rows(path)
    return {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else ())}
