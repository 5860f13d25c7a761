"""Trains the seeds of a run, and beside each, if asked, its id-only control."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from drrec.agents.registry import AGENTS
from drrec.agents.training import train
from drrec.data.split import Split
from drrec.embeddings.config import ContentConfig
from drrec.envs.living import LivingEnvironment
from drrec.envs.logged import LoggedEnvironment
from drrec.envs.proposals import with_logged
from drrec.envs.rewards import Rewards
from drrec.envs.sessions import Sessions, opening_and_rest
from drrec.envs.simulator import Boredom, training_truth
from drrec.errors import InputError
from drrec.experiment.config import TrainConfig
from drrec.experiment.proposing import final_proposals, prefix_proposals
from drrec.experiment.run import Run
from drrec.experiment.vectors import embed
from drrec.serving.export import Export

if TYPE_CHECKING:
    from drrec.agents.base import Agent
    from drrec.data.interactions import Interactions
    from drrec.embeddings.pretrain import Content, Vectors
    from drrec.embeddings.table import Embeddings
    from drrec.envs.base import SessionEnvironment
    from drrec.experiment.task import Task
    from drrec.worlds.world import Truth

logger = logging.getLogger(__name__)


def control_name(config: TrainConfig) -> str:
    """In tables: the same agent by ids alone, trained beside one that knows content."""
    return f"{config.agent.algorithm}_ids"


def build_agent(
    config: TrainConfig,
    judged: Task,
    vectors: Vectors,
    content: Content | None = None,
) -> Agent:
    """The agent in its environment, before the first step."""
    table = vectors.table
    environment = build_environment(config, judged.train, table, _truth(config, judged))
    tuned = None
    if content and vectors.encoder and content.config.encoder == "finetuned":
        tuned = vectors.encoder, content.modalities
    agent = AGENTS[config.agent.algorithm]
    return agent(config.agent, environment, table.user, table.item, config.seed, tuned)


def _truth(config: TrainConfig, judged: Task) -> Truth | None:
    """What lies behind the users that the agent plays with, unless they are the log's."""
    if config.environment.sessions != "simulated":
        return judged.truth
    amount = config.environment.boredom
    return training_truth(
        judged.train,
        genres=judged.dataset.genres,
        boredom=Boredom(amount) if amount else None,
        seed=config.seed,
    )


def build_environment(
    config: TrainConfig, train: Interactions, vectors: Embeddings, truth: Truth | None = None
) -> SessionEnvironment:
    """Whom the agent plays with: the log, or the `truth` behind it."""
    settings = config.environment
    rewards = Rewards.over(settings.rewards, train, vectors.item)
    if settings.sessions != "logged" and truth is not None:
        offered = prefix_proposals(config, train)
        held_out = config.vectors.held_out
        return LivingEnvironment(settings, train, truth, rewards, offered, held_out)
    if config.vectors.held_out:
        known, shown = train.past_and_future(config.vectors.held_out)
    else:
        known, shown = opening_and_rest(train, settings.state_size)
    sessions = Sessions.over(known, shown, settings.state_size)
    predicted = None
    if settings.unlogged == "model":
        predicted = (vectors.user, vectors.item, vectors.mean)
    offered = prefix_proposals(config, known)
    if offered is not None:
        offered = with_logged(offered, sessions, train)
    return LoggedEnvironment(settings, train, sessions, predicted, rewards, offered)


def train_seed(run: Run, config: TrainConfig, judged: Task, content: Content | None) -> bool:
    """Train one seed from where it stopped, and export it; False if it was interrupted."""
    pretrained = embed(config, judged.train, run.root / "save_weights", content)
    agent = build_agent(config, judged, pretrained.prefix, content)
    knows = f"{config.content.modality} {config.content.fusion}" if content else "ids"
    label = f"{config.agent.algorithm}, {knows}, seed {config.seed}"
    if not train(agent, config.steps, run.folder, run.weights, label):
        return False
    table = pretrained.final.table
    policy = agent.policy(table.user, table.item)
    proposals = final_proposals(config, judged)
    size = config.environment.state_size
    export = Export.of(policy, judged.dataset, judged.train, size, proposals)
    export.save(run.folder / "export.npz")
    return True


def train_run(run: Run, config: TrainConfig, judged: Task, content: Content | None = None) -> bool:
    """Train every seed of a run, and its controls; False if it was interrupted.

    Raises:
        InputError: the run was begun with other ratings.
    """
    agree_on_split(run, judged)
    for seed_run, seed_config in run.seeds(config):
        if seed_run != run:
            _begin(seed_run, seed_config, judged)
        if not train_seed(seed_run, seed_config, judged, content):
            return False
        if has_control(config):
            control_run, control_config = control(seed_run, seed_config)
            _begin(control_run, control_config, judged)
            if not train_seed(control_run, control_config, judged, None):
                return False
    return True


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
    vectors = dataclasses.replace(config.vectors, refit=refit)
    return dataclasses.replace(config, content=ContentConfig(), vectors=vectors)


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
