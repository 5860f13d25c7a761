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
from drrec.evaluation.cost import FIT, Cost, added_up
from drrec.features.apart import extract_apart
from drrec.features.config import ExtractConfig
from drrec.features.sources import to_make_anew
from drrec.features.store import features_path, load_features, stored_sources

if TYPE_CHECKING:
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
    content = Content(chosen, load_features(path, judged.dataset, names))
    # Said here, before a run has a folder.
    past, _ = judged.train.past_and_future(config.vectors.held_out)
    check_trained_on(content.modalities, np.unique(past.item))
    return content


def embed(
    config: TrainConfig,
    train: Interactions,
    weights: pathlib.Path,
    content: Content | None = None,
) -> Pretrained:
    """Pre-train, or read what an earlier run with the same ratings and settings left.

    Args:
        config: the run's settings.
        train: the ratings to learn from.
        weights: the folder `save_weights`.
        content: what items are known by beside their ids.
    """
    folder = vectors_folder(config, train, weights, content)
    if all((folder / f"{name}.npz").is_file() for name in Pretrained._fields):
        logger.info("vectors: read from %s", folder)
        found = Pretrained(*(Vectors.load(folder, name, content) for name in Pretrained._fields))
        if found.final.table.fingerprint != train.fingerprint:
            raise InputError(
                f"Expected vectors of ratings {train.fingerprint[:12]} in {folder}. Received: "
                f"of {found.final.table.fingerprint[:12]}. Remove that folder and run again."
            )
        return found
    named = [*config.vectors.widths(), *(content.features if content else ())]
    logger.info("vectors: fitting %s", ", ".join(named))
    with added_up(folder / FIT, Cost(0, 0)):
        pretrained = pretrain(train, config.vectors, config.seed, content)
    for name, vectors in zip(Pretrained._fields, pretrained, strict=True):
        vectors.save(folder, name)
    return pretrained


def vectors_folder(
    config: TrainConfig, train: Interactions, weights: pathlib.Path, content: Content | None = None
) -> pathlib.Path:
    """Where `embed` keeps what it fits, by a hash of all that it depends on."""
    settings = {"vectors": dataclasses.asdict(config.vectors), "seed": config.seed}
    made_by = {"ratings": train.fingerprint, "version": drrec.__version__}
    if content:
        made_by["content"] = content.fingerprint
    identity = json.dumps(settings | made_by, sort_keys=True)
    key = hashlib.sha256(identity.encode()).hexdigest()[:12]
    return weights / "embeddings" / f"{config.vectors.embedding}-{key}"
