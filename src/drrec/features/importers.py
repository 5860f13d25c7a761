"""Takes over features that others made: MMRec's arrays, Ducho's trees, JSON, CSV.

A reader gives, for each modality, an array by raw item id. What all of them share is here: items
that are not the data set's are left and counted, items without a row are absent.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from drrec.errors import InputError
from drrec.features.checks import listed
from drrec.features.forms import csv_rows, ducho_trees, json_rows, mmrec_arrays
from drrec.features.store import MODALITIES, FeatureRows, check_names, write_features

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from drrec.data.dataset import Dataset
    from drrec.features.config import ImportConfig
    from drrec.features.forms import Form

logger = logging.getLogger(__name__)

FORMATS: dict[str, Callable[[ImportConfig], Form]] = {
    "mmrec": mmrec_arrays,
    "ducho": ducho_trees,
    "json": json_rows,
    "csv": csv_rows,
}
"""What reads each form: to each modality its rows by raw item id."""


def import_features(
    config: ImportConfig, dataset: Dataset, path: str | os.PathLike[str]
) -> dict[str, int]:
    """Put features of others into a data set's file; modalities that they lack stay as they are.

    Args:
        config: what to read and of which form.
        dataset: whose items.
        path: the data set's feature file.

    Returns:
        How many items have features now, by modality.

    Raises:
        InputError: the source is missing, damaged, of another form, or of none of the items.
    """
    check_names(config.modalities)
    if not config.source.exists():
        raise InputError(
            f"Expected features of {dataset.name} in {config.source}. Received: nothing there. "
            "Name a file or folder that there is."
        )
    found = FORMATS[config.format](config)
    if config.format == "mmrec":
        found = {name: _counted_from_one(rows, dataset, name) for name, rows in found.items()}
    lacking = [name for name in config.modalities if name not in found]
    if lacking or not found:
        raise InputError(
            f"Expected {listed(lacking or MODALITIES)} features of form {config.format} in "
            f"{config.source}. Received: {listed(list(found))}. Name what is there."
        )
    made = {
        name: _by_item(rows, dataset, config, name)
        for name, rows in found.items()
        if not config.modalities or name in config.modalities
    }
    write_features(path, dataset, made)
    return {name: int(rows.present.sum()) for name, rows in made.items()}


def _counted_from_one(
    rows: dict[str, np.ndarray], dataset: Dataset, modality: str
) -> dict[str, np.ndarray]:
    """MMRec's rows by the ids 1 … N where the data set counts its N items so, not from 0."""
    ids = set(dataset.interactions.items.raw[1:].tolist())
    if "0" in ids or str(len(rows)) not in ids:
        return rows
    logger.warning(
        "%s: %d rows for items whose ids end at %d: the first row is item 1's",
        *(modality, len(rows), len(rows)),
    )
    return {str(int(raw) + 1): row for raw, row in rows.items()}


def _by_item(
    rows: Mapping[str, np.ndarray], dataset: Dataset, config: ImportConfig, modality: str
) -> FeatureRows:
    """Rows in the order of the data set's items; all zero or all NaN is absent."""
    ids = dataset.interactions.items.raw[1:].tolist()
    what = f"{modality} features of {dataset.name} in {config.source}"
    there = [raw for raw in ids if raw in rows]
    if not there:
        raise InputError(
            f"Expected {what} by its item ids, such as {listed(ids, most=3)}. Received: ids such "
            f"as {listed(list(rows), most=3)}. Name the data set that they belong to."
        )
    widths = {raw: len(rows[raw]) for raw in there}
    width = widths[there[0]]
    other = next((raw for raw in there if widths[raw] != width), None)
    if other is not None:
        raise InputError(
            f"Expected {what} of one width, {width} as item {there[0]} has. Received: "
            f"{widths[other]} for item {other}. Mend or remove it."
        )
    features, present = np.zeros((len(ids), width), np.float32), np.zeros(len(ids), bool)
    for row, raw in enumerate(ids):
        if raw in rows:
            features[row] = rows[raw]
            present[row] = bool(features[row].any()) and not np.isnan(features[row]).all()
    if present.sum() > 1 and not np.ptp(features[present], axis=0).any():
        logger.warning("%s: all items have the same: they tell nothing apart", what)
    unknown = len(rows) - len(there)
    if unknown:
        logger.warning("%s: %d rows belong to no item", what, unknown)
    if not present.all():
        logger.warning("%s: %d items have none", what, (~present).sum())
    encoder = config.encoder or f"{config.format} {config.source.resolve().name}"
    return FeatureRows(features=features, present=present, encoder=encoder)
