"""`load_dataset`: data sets by name or path."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import TYPE_CHECKING, Any

from drrec import files
from drrec.data import datasets, sources
from drrec.data.config import LogConfig
from drrec.worlds.truth import load_truth

if TYPE_CHECKING:
    from drrec.data.dataset import Dataset
    from drrec.data.interactions import Repeats


def load_dataset(
    name_or_path: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    repeats: Repeats | None = None,
    **settings: Any,
) -> Dataset:
    """Load a built-in data set, downloaded on first use, or your own log.

    Args:
        name_or_path: a built-in data set such as ml-100k or demo; a folder of RecBole or
            MovieLens files; or a .csv, .tsv, .inter, .jsonl or .parquet file.
        data_dir: folder of the built-in data sets; by default `data` in `DRREC_HOME` or the
            working folder.
        repeats: rows with the same user and item: `drop` all but the latest, or `keep` all; by
            default as the data set was prepared, else `drop`.
        settings: of `drrec.data.config.LogConfig`, for your own log, such as user_column,
            rating_scale or rating_kind.

    Raises:
        InputError: the data set is unknown or malformed, or cannot be downloaded.

    Examples:
        >>> import drrec, pathlib
        >>> _ = pathlib.Path("log.csv").write_text("user,item,rating\\nann,x,5\\nbob,y,2\\n")
        >>> data = drrec.load_dataset("log.csv")
        >>> data.name, data.interactions.num_users
        ('log', 2)
    """
    folder = pathlib.Path(data_dir) if data_dir is not None else files.home() / "data"
    name = os.fspath(name_or_path)
    if name in datasets.DATASETS:
        sources.fetch(name, folder)
    dataset = datasets.load_dataset(name, folder, repeats, LogConfig(**settings))
    return dataclasses.replace(dataset, truth=load_truth(name, folder, dataset))
