"""One run from ratings to report: each stage by itself, and all in a row."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import json
import logging
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from drrec import __version__
from drrec.agents.registry import AGENTS
from drrec.baselines import BASELINES
from drrec.data.datasets import load_dataset, load_truth
from drrec.data.split import Split, SplitConfig, split_interactions
from drrec.envs.living import LivingEnvironment
from drrec.envs.logged import LoggedEnvironment
from drrec.envs.sessions import Sessions, opening_and_rest
from drrec.errors import InputError
from drrec.evaluation.optimum import best_rewards
from drrec.evaluation.protocol import PROTOCOLS
from drrec.evaluation.report import report_text, write_report
from drrec.evaluation.session import SESSION_STEPS, bounds, session
from drrec.evaluation.summary import Results, summarised
from drrec.models.embedding import Embeddings
from drrec.models.pretrain import Pretrained, pretrain
from drrec.runlog import columns
from drrec.runs import Run
from drrec.serving.export import Export
from drrec.serving.recommend import restored_policy
from drrec.training import train

if TYPE_CHECKING:
    from typing import Any

    from drrec.agents.ddpg import DDPG
    from drrec.config import TrainConfig
    from drrec.data.interactions import Dataset, Interactions
    from drrec.data.world import Truth
    from drrec.envs.base import SessionEnvironment
    from drrec.evaluation.candidates import PerUser
    from drrec.types import Recommender

logger = logging.getLogger(__name__)

AGENT = "ddpg"


@dataclasses.dataclass(frozen=True, eq=False)
class Judged:
    """Ratings to learn from and ratings to judge by, as the config says."""

    dataset: Dataset
    split: Split
    train: Interactions
    test: Interactions
    truth: Truth | None = None
    """What lies behind the ratings, if they are made up."""

    @classmethod
    def load(cls, config: TrainConfig, data_dir: pathlib.Path) -> Judged:
        """Load the data set and divide it."""
        dataset = load_dataset(config.dataset, data_dir)
        truth = load_truth(config.dataset, data_dir, dataset)
        if config.environment.sessions == "living" and truth is None:
            raise InputError(
                f"Expected a data set with a hidden world, such as demo, for living sessions. "
                f"Received: {config.dataset}. Leave --sessions out."
            )
        split = split_interactions(dataset.interactions, SplitConfig(strategy=config.split))
        if config.judge == "validation":
            return cls(dataset, split, split.train, split.validation, truth)
        split = split.final()
        return cls(dataset, split, split.train, split.test, truth)

    @functools.cached_property
    def best(self) -> np.ndarray:
        """[U] the largest total reward of a session; only where there is a `truth`."""
        if self.truth is None:
            raise ValueError("Expected a data set with a hidden world.")
        logger.info("sessions: finding the best there are")
        return best_rewards(self.truth, np.arange(self.train.num_users), SESSION_STEPS)


def embed(config: TrainConfig, train: Interactions, weights: pathlib.Path) -> Pretrained:
    """Pre-train, or read what an earlier run with the same ratings and settings left.

    Args:
        config: the run's settings.
        train: the ratings to learn from.
        weights: the folder `save_weights`.
    """
    settings = {"vectors": dataclasses.asdict(config.vectors), "seed": config.seed}
    made_by = {"ratings": train.fingerprint, "version": __version__}
    identity = json.dumps(settings | made_by, sort_keys=True)
    key = hashlib.sha256(identity.encode()).hexdigest()[:12]
    folder = weights / "embeddings" / f"{config.vectors.embedding}-{key}"
    paths = [folder / f"{name}.npz" for name in Pretrained._fields]
    if all(path.is_file() for path in paths):
        logger.info("vectors: read from %s", folder)
        found = Pretrained(*(Embeddings.load(path) for path in paths))
        if found.deployed.fingerprint != train.fingerprint:
            raise InputError(
                f"Expected vectors of ratings {train.fingerprint[:12]} in {folder}. Received: "
                f"of {found.deployed.fingerprint[:12]}. Remove that folder and run again."
            )
        return found
    logger.info("vectors: fitting %s", " and ".join(config.vectors.widths()))
    pretrained = pretrain(train, config.vectors, config.seed)
    for path, embeddings in zip(paths, pretrained, strict=True):
        embeddings.save(path)
    return pretrained


def build_agent(
    config: TrainConfig, train: Interactions, vectors: Embeddings, truth: Truth | None = None
) -> DDPG:
    """The agent in its environment, before the first step."""
    environment = build_environment(config, train, vectors, truth)
    return AGENTS[AGENT](config.agent, environment, vectors.user, vectors.item, config.seed)


def build_environment(
    config: TrainConfig, train: Interactions, vectors: Embeddings, truth: Truth | None = None
) -> SessionEnvironment:
    """Whom the agent plays with: the log, or the `truth` behind it."""
    settings = config.environment
    if settings.sessions == "living" and truth is not None:
        return LivingEnvironment(settings, train, truth)
    if config.vectors.held_out:
        known, shown = train.past_and_future(config.vectors.held_out)
    else:
        known, shown = opening_and_rest(train, settings.state_size)
    sessions = Sessions.over(known, shown, settings.state_size)
    predicted = None
    if settings.unlogged == "model":
        predicted = (vectors.user, vectors.item, vectors.mean)
    return LoggedEnvironment(settings, train, sessions, predicted)


def train_seed(run: Run, config: TrainConfig, judged: Judged) -> bool:
    """Train one seed from where it stopped, and export it; False if it was interrupted."""
    pretrained = embed(config, judged.train, run.root / "save_weights")
    agent = build_agent(config, judged.train, pretrained.rehearsal, judged.truth)
    label = f"{AGENT}, seed {config.seed}"
    if not train(agent, config.steps, run.folder, run.weights, label):
        return False
    policy = agent.policy(pretrained.deployed.user, pretrained.deployed.item)
    state_size = config.environment.state_size
    export = Export.of(policy, judged.dataset, judged.train, state_size)
    export.save(run.folder / "export.npz")
    return True


def train_run(run: Run, config: TrainConfig, judged: Judged) -> bool:
    """Train every seed of a run; False if it was interrupted.

    Raises:
        InputError: the run was begun with other ratings.
    """
    _agree_on_split(run, judged)
    for seed_run, seed_config in run.seeds(config):
        if seed_run != run:
            seed_run.folder.mkdir(parents=True, exist_ok=True)
            seed_run.write_config(seed_config)
            _agree_on_split(seed_run, judged)
        if not train_seed(seed_run, seed_config, judged):
            return False
    return True


def evaluate_run(run: Run, config: TrainConfig, judged: Judged) -> dict[str, Any]:
    """Judge the trained seeds and all baselines on the same candidates: `metrics.json`.

    Raises:
        InputError: the run was trained on other ratings, or is not trained to the end.
    """
    _agree_on_split(run, judged)
    protocol = "full" if config.split == "leave_one_out" else "rated"
    name = f"{config.split}, validation" if config.judge == "validation" else config.split
    fitted: dict[str, Recommender] = {}  # what no seed changes is fitted once
    results = []
    for seed_run, seed_config in run.seeds(config):
        export = Export.load(seed_run.folder / "export.npz")
        methods = _baselines(judged.train, seed_config.seed, fitted)
        methods[AGENT] = restored_policy(export, seed_config.agent)
        per_user = {
            method: _judge(recommender, protocol, seed_config, judged)
            for method, recommender in methods.items()
        }
        protocols = {protocol: per_user}
        if judged.truth is not None:
            protocols["session"] = _sessions(methods, judged.truth, seed_config, judged)
        results.append(Results(judged.dataset.name, name, seed_config.seed, protocols))
    return summarised(results, agents=[AGENT])


def _baselines(
    train: Interactions, seed: int, fitted: dict[str, Recommender]
) -> dict[str, Recommender]:
    methods = {}
    for name, baseline in BASELINES.items():
        takes_seed = "seed" in inspect.signature(baseline).parameters
        if name not in fitted or takes_seed:
            logger.info("fitting %s%s", name, f", seed {seed}" if takes_seed else "")
            fitted[name] = (baseline(seed=seed) if takes_seed else baseline()).fit(train)
        methods[name] = fitted[name]
    return methods


def _sessions(
    methods: dict[str, Recommender], truth: Truth, config: TrainConfig, judged: Judged
) -> dict[str, PerUser]:
    """What each method earns in living sessions, and what could be earned."""
    earned = {
        name: session(
            recommender,
            judged.train,
            truth,
            best=judged.best,
            state_size=config.environment.state_size,
            seed=config.seed,
        )
        for name, recommender in methods.items()
    }
    return earned | bounds(truth, judged.best)


def _judge(recommender: Recommender, protocol: str, config: TrainConfig, judged: Judged) -> PerUser:
    options = {"min_items": config.min_items} if protocol == "rated" else {}
    return PROTOCOLS[protocol](
        recommender,
        judged.train,
        judged.test,
        state_size=config.environment.state_size,
        seed=config.seed,
        **options,
    )


def _agree_on_split(run: Run, judged: Judged) -> None:
    """Save the split with the run, or see that it is the one that the run has."""
    path = run.folder / "split.npz"
    if not path.exists():
        judged.split.save(path)
        return
    if Split.load(path, judged.dataset.interactions).fingerprint != judged.split.fingerprint:
        raise InputError(
            f"Expected the split that {run.name} was begun with. Received: another. "
            "Its config.json was changed: train a new run."
        )


def report_run(run: Run, config: TrainConfig, content: dict[str, Any]) -> str:
    """Write `metrics.json`, `report.md` and the figures; returns the report."""
    first = run.seeds(config)[0][0]
    write_report(run.folder, content, columns(first.folder / "training.csv"))
    return report_text(content)
