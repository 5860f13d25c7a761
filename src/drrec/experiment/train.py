"""Trains the seeds of a run, and beside each, if asked, its id-only control."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from drrec.agents.shards import Shard
from drrec.agents.training import train
from drrec.data.split import Split
from drrec.embeddings.config import ContentConfig
from drrec.embeddings.pretrain import pretrain
from drrec.errors import InputError
from drrec.evaluation.cost import FIT, added_up, read_cost
from drrec.experiment.item_export import write_item_encoder
from drrec.experiment.run import GENRES, MODEL, SERVED, Run, learned_by
from drrec.experiment.spread import build_agent, spread_over
from drrec.experiment.start import Start
from drrec.experiment.vectors import Parts, embed, vectors_folder
from drrec.files import removed, write_json
from drrec.registry import CONTENT_BASELINES
from drrec.saving import notes_in, write_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drrec.cluster.tasks import Cluster
    from drrec.embeddings.pretrain import Content
    from drrec.experiment.config import TrainConfig
    from drrec.experiment.task import Task

logger = logging.getLogger(__name__)

_LEARNED_BY = "learned_by"


def control_name(config: TrainConfig) -> str:
    """In tables: the same agent by ids alone, trained beside one that knows content."""
    return f"{config.algorithm}_ids"


def train_seed(
    run: Run,
    config: TrainConfig,
    judged: Task,
    content: Content | None,
    *,
    final_fit: bool = False,
    cluster: Cluster | None = None,
) -> bool:
    """Train one seed from where it stopped, and export it; False if it was interrupted.

    One that is trained and exported already is left as it is.

    Args:
        run: where it goes.
        config: what it learns.
        judged: from which log.
        content: what is known of items beside their ids.
        final_fit: whether to export it fitted to the whole log, too.
        cluster: where processes run that `config` spreads the training over.

    Raises:
        InputError: it was begun with other settings.
    """
    if is_trained(run, config, final_fit=final_fit):
        logger.info("%s: trained already", run.name)
        return True
    weights, fit = run.root / "save_weights", run.folder / FIT
    settings = learned_by(config) + (content.fingerprint if content else "")
    start = Start.of(run)
    before = start.vectors_of(judged.dataset.interactions.items) if start else None
    pretrained = embed(config, judged.train, weights, content, before)
    vectors = vectors_folder(config, judged.train, weights, content, before)
    with added_up(fit, read_cost(fit if fit.exists() else vectors / FIT)) as note:
        shard = Shard(0, config.data_parallel)
        agent = build_agent(config, judged, pretrained.prefix, content, shard)
        if start:
            start.handed_to(agent, judged.dataset.interactions.items)
        knows = f"{config.content.modality} {config.content.fusion}" if content else "ids"
        label = f"{config.algorithm}, {knows}, seed {config.seed}"
        with spread_over(cluster, agent, config, judged, pretrained.prefix, content) as learner:
            if not train(learner, config.steps, run.folder, run.weights, label, settings, note):
                return False
        agent.finish(judged.train_data, pretrained.final)
    agent.note_seen(judged.dataset.interactions)  # what was rated later is no news to the user
    notes = {_LEARNED_BY: learned_by(config)}
    write_genres(run, judged)
    if not final_fit:
        write_item_encoder(run.folder, agent, pretrained.final, content)
    write_model(run.folder / MODEL, agent, notes)
    if final_fit:
        everything = judged.dataset.interactions
        logger.info("final fit, for recommendations: on all %s rows", f"{len(everything):,}")
        fits = config.vectors, config.seed, content, everything
        parts = Parts(run.weights / vectors.name)
        vectors_now = pretrain(judged.train, *fits, keep=parts, start=before)
        agent.finish(judged.dataset, vectors_now.final)
        write_item_encoder(run.folder, agent, vectors_now.final, content)
        write_model(run.folder / SERVED, agent, notes)
        removed(run.weights / vectors.name)
    return True


def write_genres(run: Run, judged: Task) -> None:
    """Note the genres of items in a run, where its data set has them."""
    dataset = judged.dataset
    pairs = zip(dataset.interactions.items.raw.tolist(), dataset.genres.tolist(), strict=True)
    if found := {item: genres for item, genres in pairs if genres}:
        write_json(run.folder / GENRES, found)


def is_trained(run: Run, config: TrainConfig, *, final_fit: bool = False) -> bool:
    """Whether all of a seed is there.

    Raises:
        InputError: an agent is, which was trained with other settings.
    """
    if not (run.folder / MODEL).exists():
        return False
    check_learned_by(run, config, notes_in(run.folder / MODEL))
    return not final_fit or (run.folder / SERVED).exists()


def check_learned_by(run: Run, config: TrainConfig, notes: Mapping[str, Any]) -> None:
    """See that a run's model was trained with the settings that its config has now.

    Raises:
        InputError: it was not; the message says what to do.
    """
    if notes.get(_LEARNED_BY, learned_by(config)) != learned_by(config):
        raise InputError(
            f"Expected the settings that {run.name} was trained with in its config.yaml. Received: "
            "others. Undo the change, or train a new run by --config and another --name."
        )


class Cell(NamedTuple):
    """One seed of a run, its control, or one of a grid's variants: what is trained at once."""

    run: Run
    config: TrainConfig
    final_fit: bool = False
    is_part: bool = True
    """Whether its folder is made with it: not where the run is the cell."""


def cells_of(run: Run, config: TrainConfig) -> list[Cell]:
    """The seeds of a run, and their controls, in the order in which one process trains them."""
    cells = []
    for seed_run, seed_config in run.seeds(config):
        is_served = config.final_fit and seed_config.seed == config.seed
        cells.append(Cell(seed_run, seed_config, is_served, seed_run != run))
        if has_control(config):
            cells.append(Cell(*control(seed_run, seed_config)))
    return cells


def train_cell(
    cell: Cell, judged: Task, content: Content | None, cluster: Cluster | None = None
) -> bool:
    """Begin a cell or go on with it; False if it was interrupted."""
    if cell.is_part:
        _begin(cell.run, cell.config, judged)
    content = content if cell.config.content.modalities else None
    return train_seed(
        cell.run, cell.config, judged, content, final_fit=cell.final_fit, cluster=cluster
    )


def train_run(
    run: Run,
    config: TrainConfig,
    judged: Task,
    content: Content | None = None,
    cluster: Cluster | None = None,
) -> bool:
    """Train every seed of a run, and its controls; False if it was interrupted.

    Raises:
        InputError: the run was begun with other ratings.
    """
    agree_on_split(run, judged)
    return all(train_cell(cell, judged, content, cluster) for cell in cells_of(run, config))


def has_control(config: TrainConfig) -> bool:
    """Whether the same agent is trained on ids alone, beside one that knows content."""
    return config.control and bool(config.content.modalities)


def control(run: Run, config: TrainConfig) -> tuple[Run, TrainConfig]:
    """Where the control of a seed's run is, and what it learns."""
    return Run(run.root, f"{run.name}/ids"), without_content(config)


def without_content(config: TrainConfig) -> TrainConfig:
    """The same run by ids alone, whose vectors are fitted anew if content would have had them so.

    That by itself can gain more than content does.
    """
    refit = config.vectors.refit or config.content.identity == "prior"
    parts: dict[str, Any] = {"vectors": dataclasses.replace(config.vectors, refit=refit)}
    if any(name in CONTENT_BASELINES for name in config.agent.blended):
        parts["agent"] = dataclasses.replace(config.agent, blend="")
    return dataclasses.replace(config, content=ContentConfig(), **parts)


def _begin(run: Run, config: TrainConfig, judged: Task) -> None:
    run.folder.mkdir(parents=True, exist_ok=True)
    run.write_config(config)
    agree_on_split(run, judged)


def agree_on_split(run: Run, judged: Task) -> None:
    """Save the split with the run, or see that it is the one that the run has."""
    path = run.folder / "split.npz"
    if not path.exists():
        judged.split.save(path)
        return
    if Split.load(path, judged.dataset.interactions).fingerprint != judged.split.fingerprint:
        raise InputError(
            f"Expected the split that {run.name} was begun with. Received: another. "
            "Its config.yaml was changed: train a new run."
        )
