"""Extraction in a process of its own, begun from one that may have loaded TensorFlow."""

from __future__ import annotations

import concurrent.futures
import logging
import multiprocessing
import sys
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from drrec.errors import InputError
from drrec.limits import Limits, current, hold

if TYPE_CHECKING:
    import pathlib

    from drrec.data.dataset import Dataset
    from drrec.features.config import ExtractConfig


def extract_apart(config: ExtractConfig, dataset: Dataset, data_dir: pathlib.Path) -> str:
    """Run `extract` in a new process, for PyTorch and TensorFlow never share one.

    Args:
        config: which features to make.
        dataset: whose items.
        data_dir: where `features/<name>.h5` goes.

    Returns:
        The summary of what was made, line by line.

    Raises:
        InputError: as of `extract`, or the process was killed.
    """
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context, _set_up, (current(),)) as processes:
        try:
            return processes.submit(_extracted, config, dataset, data_dir).result()
        except BrokenProcessPool as error:
            raise InputError(
                "Expected the extraction to end. Received: its process was killed, perhaps for "
                "want of memory. Run this again: it goes on where it stopped."
            ) from error


def _set_up(limits: Limits) -> None:
    hold(limits)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)


def _extracted(config: ExtractConfig, dataset: Dataset, data_dir: pathlib.Path) -> str:
    from drrec.features.extract import extract, summary
    from drrec.features.store import features_path

    outcomes = extract(config, dataset, data_dir)
    return summary(outcomes, features_path(data_dir, dataset.key))
