"""Loads the true user model of a synthetic data set."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING

from drrec.data.datasets import DATASETS
from drrec.worlds.world import WORLD, World

if TYPE_CHECKING:
    from drrec.data.dataset import Dataset
    from drrec.worlds.world import Truth


def load_truth(
    name_or_path: str | os.PathLike[str], data_dir: str | os.PathLike[str], dataset: Dataset
) -> Truth | None:
    """The true user model of a synthetic data set, by its dense ids; None for other data sets.

    Args:
        name_or_path: as in `load_dataset`.
        data_dir: as in `load_dataset`.
        dataset: the data set.

    Raises:
        InputError: the file is damaged, or of another data set.
    """
    name = os.fspath(name_or_path)
    path = (pathlib.Path(data_dir) / name if name in DATASETS else pathlib.Path(name)) / WORLD
    if not path.is_file():
        return None
    return World.load(path).truth(dataset.interactions.users, dataset.interactions.items)
