"""Task: the data set of a run, its split, and its training and evaluation parts."""

from __future__ import annotations

import dataclasses
import functools
import logging
from typing import TYPE_CHECKING

import numpy as np

from drrec.agents.proposing import check_proposer
from drrec.data.cold import ColdConfig, cold_split
from drrec.data.datasets import load_dataset
from drrec.data.split import SplitConfig, split_interactions
from drrec.envs.rewards import visits_returned
from drrec.errors import InputError
from drrec.evaluation.judges import simulators
from drrec.evaluation.optimum import best_rewards
from drrec.evaluation.protocols.session import SESSION_STEPS
from drrec.experiment.baselines import asked_for
from drrec.worlds.truth import load_truth

if TYPE_CHECKING:
    import pathlib

    from drrec.data.cold import ColdSplit
    from drrec.data.interactions import Dataset, Interactions
    from drrec.data.split import Split
    from drrec.experiment.config import RunConfig
    from drrec.worlds.world import Truth

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """Training and evaluation parts of a data set, as set by a `RunConfig`."""

    dataset: Dataset
    split: Split
    cold: ColdSplit
    """Training and evaluation logs of the split, without cold items and users if there are any."""
    truth: Truth | None = None
    """The true user model of a synthetic data set; None for others."""

    @classmethod
    def load(cls, config: RunConfig, data_dir: pathlib.Path) -> Task:
        """Load the data set and split it.

        Raises:
            InputError: the data set is malformed, or the settings do not match it.
        """
        dataset = load_dataset(config.dataset, data_dir, config.repeats)
        truth = load_truth(config.dataset, data_dir, dataset)
        _check_fits(config, dataset, truth)
        settings = SplitConfig(strategy=config.split)
        split = split_interactions(dataset.interactions, settings, dataset.parts)
        if config.judge == "test":
            split = split.final()
        shares = ColdConfig(items=config.cold_items, users=config.cold_users, seed=config.cold_seed)
        cold = cold_split(dataset.interactions, split, shares, config.judge)
        return cls(dataset, split, cold, truth)

    @property
    def train(self) -> Interactions:
        """The training log."""
        return self.cold.train

    @property
    def train_data(self) -> Dataset:
        """`train` as a data set, with `truth`."""
        return dataclasses.replace(self.dataset, interactions=self.train, truth=self.truth)

    @property
    def test_data(self) -> Dataset:
        """`test` as the test part of a data set."""
        return dataclasses.replace(self.train_data, interactions=self.test, known=self.train)

    @property
    def test(self) -> Interactions:
        """The evaluation log, without cold users and items."""
        return self.cold.test

    @functools.cached_property
    def best(self) -> np.ndarray:
        """[U] the maximum return of a session, which needs a `truth`."""
        if self.truth is None:
            raise ValueError("Expected a data set with a hidden world.")
        logger.info("sessions: finding the best there are")
        return best_rewards(self.truth, np.arange(self.train.num_users), SESSION_STEPS)

    @functools.cached_property
    def judges(self) -> dict[str, Truth]:
        """Two simulated populations fitted on all ratings, for the protocol simulator."""
        return simulators(self.dataset.interactions, genres=self.dataset.genres)


def is_implicit(dataset: Dataset) -> bool:
    """Whether feedback is implicit: all ratings are equal."""
    return bool(np.ptp(dataset.interactions.rating) == 0)


def _check_fits(config: RunConfig, dataset: Dataset, truth: Truth | None) -> None:
    environment = config.environment
    if environment.sessions == "living" and truth is None:
        raise InputError(
            f"Expected a data set with a hidden world, such as demo, for living sessions. "
            f"Received: {config.dataset}. Leave --sessions out."
        )
    asked_for(config.baselines)
    check_proposer(environment.proposals.propose)
    if environment.rewards.reward_return:
        visits_returned(dataset.interactions, environment.rewards.return_days)
    if config.vectors.embedding == "implicit" and environment.unlogged == "model":
        raise InputError(
            "Expected vectors that predict ratings for --unlogged model. Received: --embedding "
            "implicit. Choose --unlogged constant, or another embedding."
        )
    chosen = (config.vectors.embedding, environment.unlogged)
    is_logged = environment.sessions == "logged"
    if is_logged and is_implicit(dataset) and chosen != ("implicit", "constant"):
        raise InputError(
            f"Expected --embedding implicit --unlogged constant for {dataset.name}, all of whose "
            f"ratings are alike. Received: --embedding {chosen[0]} --unlogged {chosen[1]}, which "
            "would have nothing to learn."
        )
