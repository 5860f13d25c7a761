"""Readers of the forms that others keep features in: to each modality its rows by raw item id."""

from __future__ import annotations

import collections
import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.arrays import one_array
from drrec.data.readers import columns, lines
from drrec.errors import InputError, shown
from drrec.features.checks import listed
from drrec.limits import current
from drrec.reading import read_json

if TYPE_CHECKING:
    import pathlib

    from drrec.features.config import ImportConfig

logger = logging.getLogger(__name__)

Form = dict[str, dict[str, np.ndarray]]
"""By modality and raw item id, a row [dim]."""

MMREC_FILES = {
    "video": ("video_feat.npy", "image_feat.npy"),
    "audio": ("audio_feat.npy",),
    "text": ("text_feat.npy",),
}
DUCHO_FOLDERS = {"video": ("visual", "video", "image"), "audio": ("audio",), "text": ("text",)}
"""How the name of a folder begins, in Ducho's tree, of each modality."""


def mmrec_arrays(config: ImportConfig) -> Form:
    """`<modality>_feat.npy`, row r of item r, as MMRec's `itemID` counts them from 0.

    Raises:
        InputError: an array is damaged or has no two dimensions.
    """
    found = {}
    for modality, names in MMREC_FILES.items():
        path = next((path for name in names if (path := config.source / name).is_file()), None)
        if path is not None:
            table = one_array(path)
            if table.ndim != 2 or not 0 < table.shape[1] <= current().max_dim:
                raise InputError(
                    f"Expected an array [items, dim] in {path}. Received: {list(table.shape)}. "
                    "Get it again."
                )
            found[modality] = {str(item): row for item, row in enumerate(table)}
    return found


def ducho_trees(config: ImportConfig) -> Form:
    """Trees `<backend>/<model>/<layer>/<item>.npy`, in folders named after modalities.

    Raises:
        InputError: which tree is which is unclear, or an array is damaged.
    """
    folders = sorted({path.parent for path in config.source.rglob("*.npy")})
    by_modality: dict[str, list[pathlib.Path]] = collections.defaultdict(list)
    for folder in folders:
        named = _modality_of(folder) or (config.modality if len(config.modalities) == 1 else "")
        if not named:
            raise InputError(
                f"Expected {folder} below a folder named visual, audio or textual. Received: none "
                "such. Say what the features are of: --modality video, audio or text."
            )
        by_modality[named].append(folder)
    for modality, places in by_modality.items():
        if len(places) > 1:
            raise InputError(
                f"Expected one folder of {modality} features in {config.source}. Received: "
                f"{listed([str(place.relative_to(config.source)) for place in places])}. "
                "Name one of them: --from."
            )
    return {
        modality: {path.stem: _row(one_array(path), path) for path in sorted(folder.glob("*.npy"))}
        for modality, (folder,) in by_modality.items()
    }


def json_rows(config: ImportConfig) -> Form:
    """`{item: [numbers]}` in one file, or a folder of files `<item>.json`, each `[numbers]`.

    Raises:
        InputError: it is no such JSON, or --modality does not say what it is of.
    """
    modality = _only_modality(config)
    if config.source.is_dir():
        paths = sorted(config.source.glob("*.json"))
        return {modality: {path.stem: _row(_alone(read_json(path)), path) for path in paths}}
    content = read_json(config.source)
    if not isinstance(content, dict):
        raise InputError(
            f"Expected {{item: [numbers]}} in {config.source}. Received: {type(content).__name__}. "
            "Name a file of that form, or a folder of one file an item."
        )
    return {modality: {str(raw): _row(row, config.source) for raw, row in content.items()}}


def csv_rows(config: ImportConfig) -> Form:
    """A column of items and one for each dimension, with a header.

    Raises:
        InputError: there is no such header, a row is cut or holds what is no number, or
            --modality does not say what it is of.
    """
    modality, path = _only_modality(config), config.source
    header, found = lines.small_table(path, ",\t;")
    names = [columns.plain(name) for name in header]
    item = columns.item_column(names, f"line 1 of {path}")
    ignored = {item, *_index_columns(names, found)}
    if item is None or len(ignored) == len(names):
        raise InputError(
            f"Expected a column item_id, and one for each dimension, in line 1 of {path}. "
            f"Received: {shown(', '.join(header)[:80])}. Name the columns in the first line."
        )
    rows = {}
    for line, fields in found:
        values = [field for place, field in enumerate(fields) if place not in ignored]
        rows[fields[item].strip()] = _row(values, path, f" in line {line}")
    return {modality: rows}


def _index_columns(names: list[str], rows: list[lines.Row]) -> set[int]:
    """Columns without a name that number the rows from 0, as pandas writes its index."""
    found = set()
    for place, name in enumerate(names):
        numbers = [row.fields[place] for row in rows]
        if name in ("", "unnamed", "index") and numbers == [
            str(number) for number in range(len(rows))
        ]:
            logger.warning("the column %r of row numbers is no dimension: left out", name)
            found.add(place)
    return found


def _modality_of(folder: pathlib.Path) -> str | None:
    for part in reversed(folder.parts):
        for modality, starts in DUCHO_FOLDERS.items():
            if part.lower().startswith(starts):
                return modality
    return None


def _only_modality(config: ImportConfig) -> str:
    if len(config.modalities) != 1:
        raise InputError(
            f"Expected --modality to name what the features in {config.source} are of, video, "
            f"audio or text. Received: {shown(config.modality)}."
        )
    return config.modalities[0]


def _alone(content: Any) -> Any:
    """Of an object with one entry that entry: some write {item: [numbers]} or {"feature": …}."""
    return (
        next(iter(content.values())) if isinstance(content, dict) and len(content) == 1 else content
    )


def _row(values: Any, path: pathlib.Path, where: str = "") -> np.ndarray:
    """[dim] float32; of several rows, such as frames, their mean."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # refused later, by its item
            row = np.asarray(values, np.float32)
        if row.ndim not in (1, 2):
            raise ValueError
        with np.errstate(over="ignore", invalid="ignore"):
            row = row.reshape(-1, row.shape[-1]).mean(axis=0) if row.size else row.reshape(-1)
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        raise InputError(
            f"Expected numbers{where} of {path}. Received: {shown(values, 60)}. Mend or remove it."
        ) from error
    if not row.size:
        raise InputError(f"Expected numbers{where} of {path}. Received: none. Mend or remove it.")
    if len(row) > current().max_dim:
        raise InputError(
            f"Expected at most {current().max_dim:,} dimensions{where} of {path}. Received: "
            f"{len(row):,}. Pass --max-dim if that is meant."
        )
    return row
