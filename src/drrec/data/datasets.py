"""Data sets by name, or by path: what `--dataset` takes."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
from typing import TYPE_CHECKING

from drrec.data import prepared
from drrec.data.config import LogConfig
from drrec.data.engine import is_pattern
from drrec.data.published import prepare
from drrec.data.readers import files, movielens, recbole
from drrec.data.readers.checks import nearest
from drrec.data.readers.opened import suffix
from drrec.data.sources import SOURCES
from drrec.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.data.dataset import Dataset
    from drrec.data.interactions import Repeats


def load_folder(
    folder: pathlib.Path, repeats: Repeats | None = None, config: LogConfig | None = None
) -> Dataset:
    """Read a folder: prepared, of RecBole's atomic files, of MovieLens' own, or of a log's pieces.

    Raises:
        InputError: it holds none of these, or a file of it is bad.
    """
    if prepared.is_prepared(folder):
        return prepared.load(folder, repeats, config)
    if any(folder.glob("*.inter")):
        return prepare.load(folder, repeats, config)
    pairs = [f"{name}.base" for name in movielens.PAIRS]
    if any((folder / name).is_file() for name in (*movielens.FORMS, *pairs)):
        return movielens.load(folder, config)
    if any(map(files.is_log, folder.iterdir())):
        return files.load(folder, config or LogConfig(), repeats or "drop")
    raise InputError(
        f"Expected files of a log ({', '.join(files.SUFFIXES)}), or one of "
        f"{', '.join(movielens.FORMS)}, in {folder}. Received: none. Name a folder that has some, "
        "or a file."
    )


DATASETS: dict[str, Callable[[pathlib.Path], Dataset]] = {
    "ml-100k": load_folder,
    "ml-1m": movielens.load,
    "ml-20m": movielens.load,
    "ml-25m": movielens.load,
    "ml-latest-small": movielens.load,
    "demo": recbole.load,
    **dict.fromkeys(prepare.PUBLISHED, prepare.load),
}
"""How each known data set is read from its folder in `data/`."""


def load_dataset(
    name_or_path: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] = "data",
    repeats: Repeats | None = None,
    config: LogConfig | None = None,
) -> Dataset:
    """Load a known data set that has been fetched, or a log of one's own. Nothing is downloaded.

    Args:
        name_or_path: a name in `DATASETS`; or the path of a folder with RecBole's atomic files
            or MovieLens' own, or of a file: delimited text, JSON lines or Parquet; or of several,
            as a folder or a pattern such as `logs/*.parquet`.
        data_dir: where `fetch` and `prepare` have put the known ones.
        repeats: whether to keep rows that repeat a (user, item) pair; None keeps what a prepared
            data set was made with, and of any other the last row of each pair.
        config: how to read a log of one's own; of known ones, what the ratings of a prepared data
            set mean if not what is usual.

    Raises:
        InputError: there is no such thing, or it is bad.
    """
    name = os.fspath(name_or_path)
    if name in DATASETS:
        return _known(name, pathlib.Path(data_dir) / name, repeats, config)
    path = pathlib.Path(name)
    dataset = _own(name, path, repeats, config or LogConfig())
    place = hashlib.sha256(os.fspath(path.resolve()).encode()).hexdigest()[:8]
    return dataclasses.replace(dataset, key=f"{dataset.name}-{place}")


def _own(name: str, path: pathlib.Path, repeats: Repeats | None, config: LogConfig) -> Dataset:
    if path.is_dir():
        return load_folder(path, repeats, config)
    if movielens.is_pair(path):
        return movielens.load_pair(path, config)
    if suffix(path) == ".inter":
        return recbole.load(path, repeats or "drop", config)
    if path.exists() or suffix(path) in files.SUFFIXES or is_pattern(name):
        return files.load(path, config, repeats or "drop")
    raise InputError(
        f"Expected the name of a data set, or a path. Received: {shown(str(path))}. "
        f"{nearest(str(path), DATASETS)}"
    )


def _known(
    name: str, folder: pathlib.Path, repeats: Repeats | None, config: LogConfig | None
) -> Dataset:
    if not folder.is_dir() and name in prepare.PUBLISHED:
        raise prepare.absent(name)
    mend = f"run `python run.py data {name}`."
    if not folder.is_dir():
        raise InputError(f"Expected {name} in {folder}. Received: no such folder. To mend: {mend}")
    dataset = dataclasses.replace(_read(name, folder, repeats, config), name=name, key=name)
    received = len(dataset.interactions)
    expected = SOURCES[name].num_ratings if name in SOURCES else received  # `demo` is made whole
    if received != expected:
        raise InputError(
            f"Expected the {expected:,} ratings of {name} in {folder}. Received: {received:,}. "
            f"To mend: remove that folder and {mend}"
        )
    return dataset


def _read(
    name: str, folder: pathlib.Path, repeats: Repeats | None, config: LogConfig | None
) -> Dataset:
    if name in prepare.PUBLISHED:
        return prepare.load(folder, repeats, config)
    return DATASETS[name](folder)
