"""The vectors of a run, and the features that go into them: made, or read if made before."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import pathlib
from typing import TYPE_CHECKING

import numpy as np

import drrec
from drrec.embeddings.content import check_trained_on
from drrec.embeddings.pretrain import Content, Pretrained, Vectors, pretrain
from drrec.errors import InputError
from drrec.evaluation.cost import FIT, Cost, added_up, read_cost, total_cost, write_cost
from drrec.features.apart import extract_apart
from drrec.features.config import ExtractConfig
from drrec.features.one import text_settings
from drrec.features.sources import to_make_anew
from drrec.features.store import features_path, load_features, stored_sources
from drrec.files import removed, sweep
from drrec.locks import held

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.data.dataset import Dataset
    from drrec.data.interactions import Interactions
    from drrec.embeddings.config import ContentConfig
    from drrec.experiment.config import RunConfig, TrainConfig
    from drrec.experiment.task import Task

logger = logging.getLogger(__name__)


def ensure_features(
    config: RunConfig, dataset: Dataset, names: tuple[str, ...], data_dir: pathlib.Path
) -> pathlib.Path:
    """The file of features, made in a process of its own where a modality is not there yet.

    Raises:
        InputError: they cannot be made, and why.
    """
    if config.features:
        return pathlib.Path(config.features)
    path = features_path(data_dir, dataset.key)
    stored = stored_sources(path, dataset)
    plain = ExtractConfig(dataset=config.dataset, log=config.log)
    wanted = [
        anew
        for name in names
        if (kept := stored.get(name))
        and (anew := to_make_anew(kept, plain, data_dir, name, dataset)) is not None
    ]
    if missing := [name for name in names if name not in stored]:
        wanted.append(dataclasses.replace(plain, modality=",".join(missing)))
    for asked in wanted:
        logger.info("features: extracting %s", asked.modality)
        try:
            said = extract_apart(asked, dataset, data_dir)
        except InputError as error:
            raise InputError(
                f"{error} Give flags of encoders and media to `python run.py extract --dataset "
                f"{config.dataset} --modality {asked.modality}`, then run this again."
            ) from error
        logger.info("%s", said)
    return path


def content_of(
    config: RunConfig, chosen: ContentConfig, judged: Task, data_dir: pathlib.Path
) -> Content | None:
    """What items are known by beside their ids; None if by nothing.

    Raises:
        InputError: there are no such features, they are bad, or too few items have any.
    """
    names = chosen.modalities
    if not names:
        return None
    path = ensure_features(config, judged.dataset, names, data_dir)
    text = None
    if "text" in names and (kept := stored_sources(path, judged.dataset).get("text")):
        text = text_settings(kept, judged.dataset, data_dir)
    content = Content(chosen, load_features(path, judged.dataset, names), text)
    # Said here, before a run has a folder.
    past, _ = judged.train.past_and_future(config.vectors.held_out or 0.0)
    check_trained_on(content.modalities, np.unique(past.item))
    return content


def embed(
    config: TrainConfig,
    train: Interactions,
    weights: pathlib.Path,
    content: Content | None = None,
    start: np.ndarray | None = None,
) -> Pretrained:
    """Pre-train, or read what an earlier run with the same ratings and settings left.

    Killed and called again it goes on with the fit that it was at. Of two processes that pre-train
    alike the second waits.

    Args:
        config: the run's settings.
        train: the ratings to learn from.
        weights: the folder `save_weights`.
        content: what items are known by beside their ids.
        start: item vectors to go on from, see `pretrain`.

    Raises:
        InputError: the vectors that are there are damaged, or of other ratings.
    """
    folder = vectors_folder(config, train, weights, content, start)
    with held(folder, f"vectors in {folder}", wait=True):
        sweep(folder)
        if all((folder / f"{name}.npz").is_file() for name in Pretrained._fields):
            logger.info("vectors: read from %s", folder)
            _remove_parts(folder)
            return _read(folder, train, content)
        named = [*config.vectors.widths(), *(content.features if content else ())]
        logger.info("vectors: fitting %s", ", ".join(named))
        parts = Parts(folder)
        pretrained = pretrain(train, config.vectors, config.seed, content, keep=parts, start=start)
        write_cost(folder / FIT, parts.cost)
        for name, vectors in zip(Pretrained._fields, pretrained, strict=True):
            vectors.save(folder, name)
        _remove_parts(folder)
        return pretrained


def _read(folder: pathlib.Path, train: Interactions, content: Content | None) -> Pretrained:
    found = Pretrained(*(Vectors.load(folder, name, content) for name in Pretrained._fields))
    if found.final.table.fingerprint != train.fingerprint:
        raise InputError(
            f"Expected vectors of ratings {train.fingerprint[:12]} in {folder}. Received: "
            f"of {found.final.table.fingerprint[:12]}. Remove that folder and run again."
        )
    return found


_PARTS = "parts"


class Parts:
    """Keeps each fit of `pretrain` in `<folder>/parts`, so that a kill costs one fit at most."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder / _PARTS
        self._costs = [Cost(0, 0)]

    @property
    def cost(self) -> Cost:
        """Of all fits so far, those of earlier runs among them."""
        return total_cost(self._costs)

    def __call__(self, name: str, content: Content | None, make: Callable[[], Vectors]) -> Vectors:
        """The fit of this name, made or read; see `pretrain.Keep`."""
        if (self._folder / f"{name}.npz").is_file():
            logger.info("vectors: %s is fitted already", name)
        else:
            # Its cost comes first: a fit that is there has one.
            with added_up(self._folder / f"{name}.json", Cost(0, 0)):
                made = make()
            made.save(self._folder, name)
        self._costs.append(read_cost(self._folder / f"{name}.json"))
        # Read in either case, so that what follows is the same to the last bit.
        return Vectors.load(self._folder, name, content)


def _remove_parts(folder: pathlib.Path) -> None:
    if (folder / _PARTS).exists():
        removed(folder / _PARTS)


def vectors_folder(
    config: TrainConfig,
    train: Interactions,
    weights: pathlib.Path,
    content: Content | None = None,
    start: np.ndarray | None = None,
) -> pathlib.Path:
    """Where `embed` keeps what it fits, by a hash of all that it depends on."""
    settings = {"vectors": dataclasses.asdict(config.vectors), "seed": config.seed}
    made_by = {"ratings": train.fingerprint, "version": drrec.__version__}
    if content:
        made_by["content"] = content.fingerprint
    if start is not None:
        made_by["start"] = hashlib.sha256(np.ascontiguousarray(start).tobytes()).hexdigest()
    identity = json.dumps(settings | made_by, sort_keys=True)
    key = hashlib.sha256(identity.encode()).hexdigest()[:12]
    return weights / "embeddings" / f"{config.vectors.embedding}-{key}"
