"""What lies behind a made-up data set."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING

from drrec.data.datasets import DATASETS
from drrec.worlds.world import World

if TYPE_CHECKING:
    from drrec.data.interactions import Dataset
    from drrec.worlds.world import Truth

WORLD = "world.npz"
"""The file of the hidden world in a data set's folder."""


def load_truth(
    name_or_path: str | os.PathLike[str], data_dir: str | os.PathLike[str], dataset: Dataset
) -> Truth | None:
    """What lies behind a made-up data set, by its dense ids; None where nobody knows.

    Args:
        name_or_path: what `load_dataset` took.
        data_dir: what `load_dataset` took.
        dataset: what it gave.

    Raises:
        InputError: the world is broken, or of other ratings.
    """
    name = os.fspath(name_or_path)
    path = (pathlib.Path(data_dir) / name if name in DATASETS else pathlib.Path(name)) / WORLD
    if not path.is_file():
        return None
    return World.load(path).truth(dataset.interactions.users, dataset.interactions.items)
