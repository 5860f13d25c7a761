"""Extracts features: finds media and texts, encodes them batch by batch, writes them at once."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm import tqdm

from drrec.errors import InputError
from drrec.features.checks import listed
from drrec.features.encoders import chosen_device
from drrec.features.encoding import batches
from drrec.features.journal import Journal, remove_finished
from drrec.features.plan import Plan, Task, versions
from drrec.features.store import (
    FeatureRows,
    check_names,
    features_path,
    stored_fingerprints,
    write_features,
)
from drrec.files import sweep

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from drrec.cluster.tasks import Cluster
    from drrec.data.dataset import Dataset
    from drrec.features.config import ExtractConfig
    from drrec.features.journal import Batch


class Outcome(NamedTuple):
    """What came of one modality."""

    modality: str
    encoder: str
    num_present: int
    num_items: int
    reasons: dict[str, str]  # by raw id, of files that could not be used
    is_new: bool  # False where the file held the same already


def extract(
    config: ExtractConfig,
    dataset: Dataset,
    data_dir: str | os.PathLike[str],
    gpu: int | None = None,
    cluster: Cluster | None = None,
) -> list[Outcome]:
    """Make the features that were asked for and put them into the data set's file.

    Killed at any moment and run again it goes on with the batch it was at, and the file is what
    one run would have given. What the file has already, made in the same way of the same media,
    is not made again.

    Args:
        config: what to do.
        dataset: whose items.
        data_dir: where `features/<name>.h5` goes.
        gpu: as in `drrec.device.select`.
        cluster: whose workers encode; None encodes here. The file is the same, byte for byte.

    Raises:
        InputError: a modality or a model is unknown or does not fit, there are no media, or, if
            `config.strict`, a file is broken or belongs to no item.
    """
    check_names(config.modalities)
    if cluster is not None:  # each worker decodes on its own cores
        config = dataclasses.replace(config, workers=config.workers or cluster.cores)
    path = features_path(data_dir, dataset.key)
    sweep(path.parent)
    known = stored_fingerprints(path, dataset)
    plan = Plan(config, dataset, pathlib.Path(data_dir), chosen_device(gpu))
    tasks = [plan.task(modality) for modality in config.modalities]
    outcomes = []
    for task in tasks:
        if known.get(task.encoder.modality) == task.fingerprint:
            remove_finished(_journal(path, task.encoder.modality))  # of a run killed at its end
            outcomes.append(Outcome(task.encoder.modality, task.encoder.name, 0, 0, {}, False))
        else:
            outcomes.append(_extracted(task, config, dataset, path, cluster))
    return outcomes


def summary(outcomes: list[Outcome], path: pathlib.Path) -> str:
    """What came of each modality, and every file that could not be used, with the reason."""
    lines = [f"features: {path}"]
    for one in outcomes:
        if not one.is_new:
            lines.append(f"{one.modality}: there already, made by {one.encoder} in the same way")
            continue
        without = one.num_items - one.num_present
        lines.append(
            f"{one.modality}: {one.num_present:,} of {one.num_items:,} items, by {one.encoder}; "
            f"{without:,} without, {len(one.reasons):,} of them for a broken file"
        )
        lines += [f"  {raw}: {reason}" for raw, reason in one.reasons.items()]
    return "\n".join(lines)


def _extracted(
    task: Task,
    config: ExtractConfig,
    dataset: Dataset,
    path: pathlib.Path,
    cluster: Cluster | None,
) -> Outcome:
    modality, groups = task.encoder.modality, task.work.groups
    ids = dataset.interactions.items.raw[1:].tolist()
    sizes = [len(group) for group in groups]
    with Journal(_journal(path, modality), task.fingerprint, sizes) as journal:
        for batch in _with_progress(task, journal.batches, cluster):
            if config.strict:
                _refuse_broken(batch, groups[len(journal.batches)], ids, modality)
            journal.add(batch)
        rows = np.concatenate(groups)
        width = max(batch.features.shape[1] for batch in journal.batches)
        features = np.zeros((len(ids), max(width, 1)), np.dtype(config.dtype))
        present = np.zeros(len(ids), bool)
        for group, batch in zip(groups, journal.batches, strict=True):
            features[group, : batch.features.shape[1]] = batch.features
            present[group] = batch.present
        reasons = [reason for batch in journal.batches for reason in batch.reasons]
        made = FeatureRows(
            features=features,
            present=present,
            encoder=task.encoder.name,
            weights_sha256=task.weights_sha256,
            pooling=task.pooling,
            library_versions=versions(),
            fingerprint=task.fingerprint,
            source=task.source,
        )
        broken = {ids[row]: why for row, why in zip(rows, reasons, strict=True) if why}
        if not present.any():
            raise _none_usable(modality, dataset, broken)
        write_features(path, dataset, {modality: made})
        journal.remove()
    ordered = {raw: broken[raw] for raw in ids if raw in broken}
    return Outcome(modality, task.encoder.name, int(present.sum()), len(ids), ordered, True)


def _journal(path: pathlib.Path, modality: str) -> pathlib.Path:
    return path.with_name(f".{path.stem}.{modality}.part")


def _with_progress(task: Task, done: list[Batch], cluster: Cluster | None) -> Iterator[Batch]:
    """The batches that are left; the bar says items a second and the time left."""
    sizes = [len(group) for group in task.work.groups]
    first = len(done)
    if first == len(sizes):
        return
    bar = tqdm(
        total=sum(sizes),
        initial=sum(sizes[:first]),
        desc=task.encoder.modality,
        unit="item",
        dynamic_ncols=True,
    )
    with bar:
        for batch in batches(task, first, cluster):
            yield batch
            bar.update(len(batch.present))


def _refuse_broken(batch: Batch, group: np.ndarray, ids: list[str], modality: str) -> None:
    for row, reason in zip(group, batch.reasons, strict=True):
        if reason:
            raise InputError(
                f"Expected {modality} of item {ids[row]}. Received: {reason}. "
                "Mend or remove the file, or leave out --strict to go on without it."
            )


def _none_usable(modality: str, dataset: Dataset, broken: dict[str, str]) -> InputError:
    named = [f"{raw}: {reason}" for raw, reason in broken.items()]
    return InputError(
        f"Expected {modality} of at least one item of {dataset.name}. Received: only files that "
        f"cannot be used ({listed(named, most=3)}). Mend them, or leave the modality out."
    )
