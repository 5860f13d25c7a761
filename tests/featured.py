"""Random features of a tiny log, for whoever tests whole runs that know content."""

from __future__ import annotations

import pathlib

import numpy as np

from drrec.data.datasets import load_dataset
from drrec.experiment.config import RunConfig
from drrec.features.store import FeatureRows, features_path, write_features


def write_random_features(
    config: RunConfig, data_dir: pathlib.Path, *, seed: int = 0, path: pathlib.Path | None = None
) -> pathlib.Path:
    """Video of most items and text of all; by default where a run looks for them."""
    dataset = load_dataset(config.dataset, data_dir)
    path = path or features_path(data_dir, dataset.key)
    num_rows = dataset.interactions.num_items - 1
    rng = np.random.default_rng(seed)
    made = {
        name: FeatureRows(
            features=rng.normal(size=(num_rows, width)).astype(np.float32),
            present=rng.random(num_rows) < share,
            encoder=f"random {name}",
        )
        for name, width, share in (("video", 4, 0.8), ("text", 3, 1.0))
    }
    write_features(path, dataset, made)
    return path
