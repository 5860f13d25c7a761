"""Data sets by name, for people at a prompt."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import TYPE_CHECKING

from drrec import files
from drrec.data import datasets, sources
from drrec.worlds.truth import load_truth

if TYPE_CHECKING:
    from drrec.data.interactions import Dataset, Repeats


def load_dataset(
    name_or_path: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    repeats: Repeats | None = None,
) -> Dataset:
    """A known data set, fetched if need be, or a log of one's own.

    Args:
        name_or_path: a known name such as ml-100k or demo; a folder of RecBole atomic files; or an
            .inter, .csv or .tsv file.
        data_dir: where known data sets are kept; by default `data` in `DRREC_HOME`, or else in the
            working folder.
        repeats: whether a user may have an item several times; by default as the data set was
            prepared, else the latest row is kept.

    Raises:
        InputError: there is no such thing, it is bad, or its host cannot be reached.
    """
    folder = pathlib.Path(data_dir) if data_dir is not None else files.home() / "data"
    name = os.fspath(name_or_path)
    if name in datasets.DATASETS:
        sources.fetch(name, folder)
    dataset = datasets.load_dataset(name, folder, repeats)
    return dataclasses.replace(dataset, truth=load_truth(name, folder, dataset))
