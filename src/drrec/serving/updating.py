"""A run goes on from another with the feedback that came in meanwhile."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from drrec.data.joining import NewRow, taken_from, write_joined
from drrec.data.published.atomic import Words
from drrec.data.split import Split
from drrec.errors import InputError
from drrec.experiment.run import UPDATE, Run, write_config
from drrec.experiment.start import Start
from drrec.experiment.task import Task
from drrec.experiment.train import control, has_control
from drrec.experiment.vectors import ensure_features
from drrec.features.store import FeatureRows, load_features, stored_sources, write_features
from drrec.files import write_json
from drrec.reading import read_json
from drrec.serving.exporting import user_of
from drrec.serving.sessions import stars_of

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Mapping

    from drrec.data.dataset import Dataset
    from drrec.data.joining import JoinedLog
    from drrec.experiment.config import TrainConfig
    from drrec.serving.records import AddedItem
    from drrec.serving.store import Store

logger = logging.getLogger(__name__)

LOG = "log"
"""Folder of a run with the log that it was updated to, and the features of its items."""

_FEATURES = "features.h5"
_METRICS = "metrics.json"
_FORM = {
    "from": str,
    "store": str,
    "store_id": str,
    "last_event": int,
    "events": int,
    "rows": int,
    "new_users": int,
    "new_items": int,
    "first_steps": int,
    "steps": int,
    "learned_before": int,
}


class Feedback(NamedTuple):
    """What a store has that a run has not learned from."""

    store: str
    store_id: str
    last: int
    """Number of the last event."""
    rows: list[NewRow]
    items: dict[str, AddedItem]
    """Items that came after training, by id."""
    is_new: bool
    """Whether no other run that goes on from this one has it all, either."""


def feedback_since(run: Run, store: Store) -> Feedback:
    """The feedback that a run has not learned from.

    Raises:
        InputError: what the run says of its update is damaged.
        StoreError: the store could not be read.
    """
    identity, last = store.identity(), store.last_event()
    before = _noted(run)
    after = before["last_event"] if before and before["store_id"] == identity else 0
    others = [
        noted["last_event"]
        for _, noted in _updates_of(run)
        if noted["store_id"] == identity and noted["last_event"] >= last
    ]
    rows = [
        NewRow(user_of(each), each.item, stars_of(each), int(each.time), each.session)
        for each in store.events(after, last)
    ]
    items = {each.id: each for each in store.items()}
    return Feedback(str(store), identity, last, rows, items, bool(rows) and not others)


def unfinished(run: Run) -> Run | None:
    """An update that was killed on its way: this run, or one that goes on from it.

    Raises:
        InputError: what a run says of its update is damaged.
    """
    if _noted(run) and not (run.folder / _METRICS).exists():
        return run
    begun = (each for each, _ in _updates_of(run) if not (each.folder / _METRICS).exists())
    return next(begun, None)


def begin_update(
    run: Run, task: Task, feedback: Feedback, data_dir: pathlib.Path, name: str | None, share: float
) -> Run | None:
    """Make the folder of a run that goes on from another: its log, its start and its config.

    Args:
        run: the run, trained.
        task: of its log.
        feedback: what is new.
        data_dir: where the data sets are.
        name: of the new run; None derives one.
        share: of the steps of the first run of all, how many more to train for.

    Returns:
        The new run; None if the feedback says nothing that this log could hold.

    Raises:
        InputError: the run is not trained to the end, is in a made-up world, or its log has
            changed; or the name is taken.
    """
    config = run.config()
    _check_log(run, config, task)
    rows = taken_from(task.dataset, feedback.rows)
    if not rows:
        return None
    new = Run.new(run.root, name, config)
    starts = _starts(run, config)
    noted = _noted(run)
    first_steps = noted["first_steps"] if noted else config.steps
    # What goes on is trained for a share more; what cannot, from its first step as the first was.
    steps = max(1, round(share * first_steps)) if starts else first_steps
    before = config.steps if starts else 0

    def fill(side: pathlib.Path) -> None:
        words = {
            row.item: Words(added.title, added.genres)
            for row in rows
            if (added := feedback.items.get(row.item))
        }
        joined = write_joined(side / LOG / task.dataset.name, task.dataset, rows, words)
        named = dataclasses.replace(
            _joined_config(config, joined), steps=before + steps, dataset=str(joined.folder)
        )
        updated = Task.load(named, data_dir)
        places: dict[str, Any] = {"dataset": str(new.folder / LOG / task.dataset.name)}
        if config.content.modalities:
            features = _carried_features(
                config, task.dataset, updated.dataset, data_dir, feedback.items
            )
            write_features(side / LOG / _FEATURES, updated.dataset, features)
            places["features"] = str(new.folder / LOG / _FEATURES)
        for place, start in starts.items():
            start.write(side / place)
        old, now = task.dataset.interactions, updated.dataset.interactions
        note: dict[str, Any] = {
            "from": run.name,
            "store": feedback.store,
            "store_id": feedback.store_id,
            "last_event": feedback.last,
            "events": len(rows),
            "rows": len(now),
            "new_users": now.num_users - old.num_users,
            "new_items": now.num_items - old.num_items,
            "first_steps": first_steps,
            "steps": steps,
            "learned_before": _learned_before(task, updated) if starts else 0,
        }
        write_json(side / UPDATE, note)
        write_config(side, dataclasses.replace(named, **places))
        logger.info(
            "%s: %s and %d events, with %d new users and %d new items; %s steps",
            *(new.name, run.name, len(rows), note["new_users"], note["new_items"], f"{steps:,}"),
        )

    new.claim(fill)
    return new


def _check_log(run: Run, config: TrainConfig, task: Task) -> None:
    if config.environment.sessions == "living":
        raise InputError(
            f"Expected a run whose sessions are of a log. Received: {run.name}, whose users are "
            "those of a made-up world: no feedback changes them."
        )
    try:
        Split.load(run.folder / "split.npz", task.dataset.interactions)
    except InputError as error:
        raise InputError(
            f"Expected the log that {run.name} was trained on in {config.dataset}. Received: "
            "another, or another split of it. Put that log back, or train a new run on what is "
            f"there: drrec train --dataset {config.dataset}."
        ) from error


def _starts(run: Run, config: TrainConfig) -> dict[str, Start]:
    """What each seed and control goes on from, by its place in the run's folder."""
    parts = []
    for seed_run, seed_config in run.seeds(config):
        parts.append((seed_run, seed_config))
        if has_control(config):
            parts.append(control(seed_run, seed_config))
    for part, _ in parts:
        part.model_file()  # or it is refused
    if config.content.contrast:
        logger.warning("vectors by contrast have new axes after each fit: %s", "all begins anew")
        return {}
    return {
        part.name.removeprefix(run.name).lstrip("/"): Start.after(part, own) for part, own in parts
    }


def _joined_config(config: TrainConfig, joined: JoinedLog) -> TrainConfig:
    """The same settings on another log, of which only its own parts were given by chance."""
    also = ",".join(each for each in config.asked_also if each != "observed")
    return dataclasses.replace(
        config,
        log=joined.log,
        repeats=joined.repeats,
        also=also,
        rollout_workers=0,
        data_parallel=1,
    )


def _carried_features(
    config: TrainConfig,
    old: Dataset,
    new: Dataset,
    data_dir: pathlib.Path,
    added: Mapping[str, AddedItem],
) -> dict[str, FeatureRows]:
    """The features of all items of the new log that have some."""
    names = config.content.modalities
    source = ensure_features(config, old, names, data_dir)
    made_of = stored_sources(source, old)
    place = {raw: at for at, raw in enumerate(old.interactions.items.raw.tolist())}
    ids = new.interactions.items.raw[1:].tolist()
    at = np.array([place.get(raw, 0) for raw in ids])
    rows = {}
    for name, each in load_features(source, old, names).items():
        features, present = each.features[at], each.present[at]
        for row, raw in enumerate(ids):
            vector = added[raw].features.get(name, ()) if raw in added and not at[row] else ()
            if len(vector) == features.shape[1]:
                features[row], present[row] = vector, True
        rows[name] = FeatureRows(
            features=features,
            present=present,
            encoder=each.encoder,
            source=made_of.get(name, ""),
        )
    return rows


def _learned_before(old: Task, new: Task) -> int:
    """How many rows of the new evaluation log are in the old training log."""
    known, asked = old.train, new.test
    size = np.int64(new.dataset.interactions.num_items)
    users, items = (
        np.array([to.dense(raw) if raw in to else 0 for raw in of.raw.tolist()])
        for of, to in ((known.users, asked.users), (known.items, asked.items))
    )
    before = users[known.user] * size + items[known.item]
    return int(np.isin(asked.user * size + asked.item, before).sum())


def _noted(run: Run) -> dict[str, Any] | None:
    path = run.folder / UPDATE
    return read_json(path, _FORM) if path.exists() else None


def _updates_of(run: Run) -> list[tuple[Run, dict[str, Any]]]:
    """Runs that go on from one, and what they say of it."""
    found = sorted((run.root / "save_model").glob(f"*/{UPDATE}"))
    others = [Run(run.root, path.parent.name) for path in found]
    noted = [(other, _noted(other)) for other in others]
    return [(other, note) for other, note in noted if note and note["from"] == run.name]
