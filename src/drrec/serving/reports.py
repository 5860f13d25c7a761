"""What a run's folder says beside the model: its report, its curve of training, genres."""

from __future__ import annotations

import csv
import functools
from typing import TYPE_CHECKING, Any

from drrec.errors import InputError
from drrec.experiment.run import CONFIG, GENRES
from drrec.reading import read_json

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Mapping

METRICS = "metrics.json"
CURVE = "training.csv"

MOST_POINTS = 500
"""Points of a curve; a longer one is thinned out."""


def report_of(model: pathlib.Path) -> dict[str, Any]:
    """The numbers of the run whose model this file is; null where it is of no evaluated run.

    Raises:
        InputError: a file of the run is damaged.
    """
    folder = _run_of(model)
    if folder is None or not (folder / METRICS).is_file():
        return {"metrics": None, "curve": []}
    metrics = read_json(folder / METRICS, {"protocols": {}})
    return {"metrics": metrics, "curve": _curve(model.parent)}


def genres_of(model: pathlib.Path) -> Mapping[str, str]:
    """Genres by raw item id, joined by ", ", as the run noted them; empty where it did not.

    Raises:
        InputError: the file is damaged.
    """
    path = model.parent / GENRES
    return _genres(path, path.stat().st_mtime_ns) if path.is_file() else {}


@functools.lru_cache(maxsize=4)
def _genres(path: pathlib.Path, _changed: int) -> Mapping[str, str]:
    genres: Mapping[str, str] = read_json(path, {str: str})
    return genres


def _run_of(model: pathlib.Path) -> pathlib.Path | None:
    """The folder of the whole run: a seed's is below it."""
    folder = model.resolve().parent
    if folder.name.startswith("seed-"):
        folder = folder.parent
    return folder if (folder / CONFIG).is_file() else None


def _curve(folder: pathlib.Path) -> list[dict[str, float]]:
    """Steps and rewards of training; of the served seed."""
    path = folder / CURVE
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        points = [{"step": float(row["step"]), "reward": float(row["reward"])} for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"Expected numbers under step and reward in {path}. Received: others ({error}). "
            "Restore the file, or remove it."
        ) from error
    return points[:: max(1, -(-len(points) // MOST_POINTS))]
