"""Feature store: one HDF5 file per data set, checked on opening and written atomically.

Attributes `schema_version` and `dataset`; `/item_ids` [I'] raw ids, padding left out; for each
modality a group with `features` [I', dim] and `present` [I'], and attributes that describe the
encoder. docs/features.md has the full schema.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np

from drrec.errors import InputError, shown
from drrec.features.checks import check_ids, check_rows, listed
from drrec.features.hdf5 import ATTRIBUTES, Damaged, Locked, Rows, Stored, read_file
from drrec.files import replaced
from drrec.locks import held
from drrec.reading import conform, parsed_json
from drrec.types import MODALITIES

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from drrec.data.dataset import Dataset

SCHEMA_VERSION = 1


class Modality(NamedTuple):
    """Features of all items in one modality."""

    features: np.ndarray  # [I, dim] float32 by dense item id, zero where absent
    present: np.ndarray  # [I] bool, False for padding
    encoder: str  # name of the encoder, for reports


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FeatureRows:
    """Features to store, in the order of the dense ids 1 … I − 1, and their origin."""

    features: np.ndarray  # [I', dim] float16 or float32
    present: np.ndarray  # [I'] bool
    encoder: str
    """Hub name or folder of the encoder, or where features were imported from."""
    weights_sha256: str = ""
    pooling: str = ""
    library_versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    fingerprint: str = ""
    """Hash of encoder, settings and media, so that unchanged features are not extracted again."""
    source: str = ""
    """What they were made of, and how: JSON of `sources.kept_with`; empty of imported features."""


def features_path(data_dir: str | os.PathLike[str], key: str) -> pathlib.Path:
    """The feature file of a data set."""
    return pathlib.Path(data_dir) / "features" / f"{key}.h5"


def load_features(
    path: str | os.PathLike[str], dataset: Dataset, modalities: Sequence[str]
) -> dict[str, Modality]:
    """Read modalities of a data set's items, by dense item id.

    Raises:
        InputError: the file is missing or damaged, has another schema or data set, lacks a
            modality or an item, or contains NaN; the message says which.
    """
    check_names(modalities)
    what = f"features of {dataset.name} in {path}"
    stored = _stored(path, dataset)
    for name in modalities:
        if name not in stored.modalities:
            raise InputError(
                f"Expected {name} {what}. Received: a file with {listed(list(stored.modalities))}. "
                f"Extract it (`python run.py extract --dataset {dataset.name} --modality "
                f"{name}`), import it, or ask for what is there."
            )
    items = dataset.interactions.items
    check_ids(stored.ids, items.raw[1:].tolist(), what)
    order = np.array([items.dense(raw) for raw in stored.ids])
    return {
        name: _dense(stored.modalities[name], order, stored.ids, f"{name} {what}")
        for name in modalities
    }


def with_features(
    dataset: Dataset, path: str | os.PathLike[str], modalities: Sequence[str] | None = None
) -> Dataset:
    """Add content features to a data set.

    Args:
        dataset: the data set whose items the features describe.
        path: HDF5 file written by `drrec extract` or `drrec import-features`.
        modalities: any of video, audio and text; None is all in the file.

    Raises:
        InputError: the file is missing or damaged, or its items are not those of the data set.

    Examples:
        >>> import drrec, numpy as np, pandas as pd
        >>> from drrec.features.store import FeatureRows, write_features
        >>> data = drrec.Dataset.from_pandas(pd.DataFrame({"user": ["ann"], "item": ["x"]}))
        >>> ones, present = np.ones((1, 2), np.float32), np.array([True])
        >>> text = FeatureRows(features=ones, present=present, encoder="bert")
        >>> write_features("log.h5", data, {"text": text})
        >>> drrec.with_features(data, "log.h5").features["text"].features.tolist()
        [[0.0, 0.0], [1.0, 1.0]]
    """
    names = [*stored_fingerprints(path, dataset)] if modalities is None else modalities
    return dataclasses.replace(dataset, features=load_features(path, dataset, names))


def write_features(
    path: str | os.PathLike[str], dataset: Dataset, made: Mapping[str, FeatureRows]
) -> None:
    """Write modalities to a data set's file atomically; its other modalities are kept.

    Of two processes that write to one file the second waits.

    Raises:
        InputError: the existing file is damaged or of another data set, or rows are invalid.
    """
    check_names(list(made))
    path = pathlib.Path(path)
    ids = dataset.interactions.items.raw[1:].tolist()
    for name, rows in made.items():
        check_rows(rows.features, rows.present, ids, f"{name} features of {dataset.name}")
    with (
        # From before the others are read: else two writers would each lose what the other wrote.
        held(path, f"features of {dataset.name} in {path}", wait=True),
        replaced(path) as side,
        h5py.File(side, "w") as file,
    ):
        file.attrs["schema_version"] = SCHEMA_VERSION
        file.attrs["dataset"] = dataset.name
        file.create_dataset("item_ids", data=ids, dtype=h5py.string_dtype())
        if path.exists():
            _keep_others(path, dataset, file, set(made))
        for name, rows in made.items():
            _write(file.create_group(name), rows)


def stored_fingerprints(path: str | os.PathLike[str], dataset: Dataset) -> dict[str, str]:
    """The fingerprint of each modality in a file; empty if there is no file.

    Raises:
        InputError: the file is damaged or of another data set.
    """
    return _noted("fingerprint", path, dataset)


def stored_sources(path: str | os.PathLike[str], dataset: Dataset) -> dict[str, str]:
    """What each modality in a file was made of, see `FeatureRows.source`; empty without a file.

    Raises:
        InputError: the file is damaged or of another data set.
    """
    return _noted("source", path, dataset)


def check_names(modalities: Sequence[str]) -> None:
    """Check the names of modalities.

    Raises:
        InputError: one is unknown; the message lists all.
    """
    unknown = [name for name in modalities if name not in MODALITIES]
    if unknown:
        raise InputError(
            f"Expected modalities among {listed(MODALITIES)}. Received: {shown(unknown[0])}. "
            "Name one or more of them, joined by commas."
        )


def _noted(attribute: str, path: str | os.PathLike[str], dataset: Dataset) -> dict[str, str]:
    if not pathlib.Path(path).exists():
        return {}
    found = _stored(path, dataset, rows=False).modalities
    return {name: one.attributes[attribute] for name, one in found.items()}


def _stored(
    path: str | os.PathLike[str],
    dataset: Dataset,
    modalities: Sequence[str] | None = None,
    *,
    rows: bool = True,
) -> Stored:
    """What a file holds, its head checked; what HDF5 says of damage becomes one line."""
    what = f"Expected features of {dataset.name} in {path}."
    if not pathlib.Path(path).exists():
        raise InputError(
            f"{what} Received: nothing there. Make them: "
            f"`python run.py extract --dataset {dataset.name}`, or import some: "
            "`python run.py import-features --help`."
        )
    if pathlib.Path(path).is_dir():
        raise InputError(f"{what} Received: a folder. Name an HDF5 file.")
    try:
        stored = read_file(path, modalities, rows=rows)
    except Locked as error:
        raise InputError(
            f"{what} Received: a file that another process has open to write. Close it there, "
            "then run this again."
        ) from error
    except Damaged as error:
        raise InputError(
            f"{what} Received: a file that is no HDF5, is cut short or is damaged ({error}). "
            "Remove it and extract or import again."
        ) from error
    _check_head(stored, path, dataset)
    return stored


def _check_head(stored: Stored, path: str | os.PathLike[str], dataset: Dataset) -> None:
    if stored.version is None or stored.dataset is None:
        raise InputError(
            f"Expected features of {dataset.name} in {path}. Received: HDF5 without the attributes "
            "schema_version and dataset, so no feature file. Name another, or remove it."
        )
    if stored.version != SCHEMA_VERSION:
        raise InputError(
            f"Expected features of {dataset.name} of schema version {SCHEMA_VERSION} in {path}. "
            f"Received: version {shown(stored.version)}. Remove the file and extract or import "
            "again."
        )
    if stored.dataset != dataset.name:
        raise InputError(
            f"Expected features of {dataset.name} in {path}. Received: those of "
            f"{shown(stored.dataset)}. Extract those of {dataset.name}, or name its own file."
        )


def _dense(rows: Rows, order: np.ndarray, ids: list[str], what: str) -> Modality:
    check_rows(rows.features, rows.present, ids, what)
    by_item = np.zeros((len(order) + 1, rows.features.shape[1]), np.float32)
    is_there = np.zeros(len(order) + 1, bool)
    by_item[order] = np.where(rows.present[:, None], rows.features, 0)
    is_there[order] = rows.present
    return Modality(by_item, is_there, rows.attributes["encoder"] or "unknown")


def _write(group: h5py.Group, rows: FeatureRows) -> None:
    features = np.where(rows.present[:, None], rows.features, 0).astype(rows.features.dtype)
    # A checksum over each chunk finds a damaged byte on reading.
    group.create_dataset("features", data=features, chunks=True, fletcher32=True)
    group.create_dataset("present", data=rows.present, chunks=True, fletcher32=True)
    group.attrs["dtype"] = features.dtype.name
    group.attrs["library_versions"] = json.dumps(dict(sorted(rows.library_versions.items())))
    for name in ("encoder", "weights_sha256", "pooling", "fingerprint", "source"):
        group.attrs[name] = getattr(rows, name)


def _keep_others(path: pathlib.Path, dataset: Dataset, file: h5py.File, made: set[str]) -> None:
    ids = dataset.interactions.items.raw[1:].tolist()
    others = [name for name in MODALITIES if name not in made]
    before = _stored(path, dataset, others)
    if not before.modalities:
        return
    kept = listed(list(before.modalities))
    check_ids(before.ids, ids, f"{kept} features of {dataset.name} in {path}")
    place = {raw: index for index, raw in enumerate(before.ids)}
    order = np.array([place[raw] for raw in ids])
    for name, rows in before.modalities.items():
        noted: dict[str, Any] = {key: rows.attributes[key] for key in ATTRIBUTES}
        noted["library_versions"] = parsed_json(
            noted["library_versions"] or "{}", f"{path}, {name}"
        )
        conform(noted["library_versions"], {str: str}, f"{path}, {name}")
        again = FeatureRows(features=rows.features[order], present=rows.present[order], **noted)
        _write(file.create_group(name), again)
