"""What features are made of: where media and texts are, and whether they are still the same.

Loads nothing that decodes or encodes: training asks it whether stored features are up to date.
"""

from __future__ import annotations

import collections
import hashlib
import json
import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from drrec.data.datasets import DATASETS
from drrec.errors import InputError, told
from drrec.features.config import ExtractConfig
from drrec.features.texts import Texts, texts_of
from drrec.reading import conform, parsed_json

if TYPE_CHECKING:
    from collections.abc import Collection

    from drrec.data.dataset import Dataset

FOLDERS = {"video": ("trailers", "images"), "audio": ("trailers", "audio")}
"""Where each modality is looked for, in this order."""


class Media(NamedTuple):
    """The files of a data set's items, and those that belong to none."""

    files: dict[str, list[pathlib.Path]]  # by raw id, in the order to try
    unknown: list[str]  # paths of media named for items that do not exist


def find_media(folder: pathlib.Path, modality: str, items: Collection[str]) -> Media:
    """The media of each item: `<kind>/**/<raw id>.<any suffix>`, kinds in the order of `FOLDERS`.

    A name whose case differs from an id's stands for that id where no other id is so spelled.
    """
    folded = collections.defaultdict(list)
    for raw in items:
        folded[raw.casefold()].append(raw)
    found: dict[str, list[pathlib.Path]] = {}
    unknown = []
    for kind in FOLDERS[modality]:
        root = folder / kind
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root)
            if any(part.startswith(".") for part in name.parts) or not path.is_file():
                continue
            alike = [path.stem] if path.stem in items else folded[path.stem.casefold()]
            if len(alike) == 1:
                found.setdefault(alike[0], []).append(path)
            else:
                unknown.append(f"{kind}/{name}")
    return Media(found, unknown)


class Source(NamedTuple):
    """Where the media and texts of a data set are."""

    media: pathlib.Path  # folder with trailers/, images/ and audio/
    text_file: pathlib.Path | None  # CSV of plots

    @classmethod
    def of(cls, config: ExtractConfig, data_dir: pathlib.Path) -> Self:
        """What the settings name, or else `media/` and `plots.csv` beside the data set."""
        path = pathlib.Path(config.dataset)
        if config.dataset in DATASETS:
            path = data_dir / config.dataset
        beside = path if path.is_dir() else path.parent
        plots = beside / "plots.csv"
        by_default = plots if plots.is_file() else None
        return cls(config.media or beside / "media", config.text_file or by_default)

    def homes(self) -> tuple[str, ...]:
        """Where media lie, behind links of whole folders: no other link leads out of these."""
        kinds = sorted({kind for kinds in FOLDERS.values() for kind in kinds})
        return tuple(str(path.resolve()) for path in (self.media, *map(self.media.joinpath, kinds)))

    def texts(self, dataset: Dataset) -> Texts:
        """What there is to read of the items."""
        return texts_of(dataset, self.text_file)

    def stamp(self, modality: str, dataset: Dataset) -> str | None:
        """SHA-256 of the items' texts, or of the names, sizes and times of their media.

        None if there is nothing of the modality.
        """
        ids = dataset.interactions.items.raw[1:].tolist()
        if modality == "text":
            contents: list[Any] = self.texts(dataset).words
        else:
            files = find_media(self.media, modality, set(ids)).files
            contents = [
                [raw, [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in paths]]
                for raw, paths in sorted(files.items())
            ]
        if not any(contents):
            return None
        return hashlib.sha256(json.dumps([ids, contents]).encode()).hexdigest()


def kept_with(
    config: ExtractConfig, data_dir: pathlib.Path, modality: str, dataset: Dataset
) -> str:
    """JSON to keep with features: what they were made of, and how to make them anew."""
    settings = {
        name: str(value.resolve()) if isinstance(value, pathlib.Path) else value
        for name, value in vars(config).items()
        if name != "log"
    }
    stamp = Source.of(config, data_dir).stamp(modality, dataset)
    return json.dumps({"settings": settings | {"modality": modality}, "stamp": stamp})


def to_make_anew(
    kept: str, config: ExtractConfig, data_dir: pathlib.Path, modality: str, dataset: Dataset
) -> ExtractConfig | None:
    """How to make features anew whose media or texts have changed since; None if they have not.

    Of media that are gone altogether the features are what is left: they stay.

    Args:
        kept: what `kept_with` gave.
        config: names the data set, as it is called now.
        data_dir: where known data sets are.
        modality: of the features.
        dataset: whose items.
    """
    where = f"the settings that {modality} features were made by"
    said = parsed_json(kept, where)
    conform(said, {"settings": {str: (str, int, float, bool, None)}, "stamp": (str, None)}, where)
    settings: dict[str, Any] = {
        name: pathlib.Path(value) if name in ("media", "text_file") and value else value
        for name, value in said["settings"].items()
    }
    try:
        again = ExtractConfig(**(settings | {"dataset": config.dataset, "log": config.log}))
    except TypeError as error:
        raise InputError(
            f"Expected {where}. Received: others ({told(error)}). Extract them again."
        ) from error
    stamp = Source.of(again, data_dir).stamp(modality, dataset)
    return again if stamp not in (None, said["stamp"]) else None
