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
from drrec.data.strategies import GIVEN
from drrec.errors import InputError
from drrec.evaluation.judges import simulators
from drrec.evaluation.optimum import best_rewards
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.protocols.rated import RELEVANT_FROM, eligible_users
from drrec.evaluation.protocols.session import SESSION_STEPS
from drrec.experiment.baselines import asked_for
from drrec.worlds.truth import load_truth

if TYPE_CHECKING:
    import pathlib

    from drrec.data.cold import ColdSplit
    from drrec.data.dataset import Dataset
    from drrec.data.interactions import Interactions
    from drrec.data.split import Split
    from drrec.experiment.config import RunConfig
    from drrec.worlds.world import Truth

logger = logging.getLogger(__name__)

LONGEST_CUT = 20
"""The longest list that metrics look at."""


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
        dataset = load_dataset(config.dataset, data_dir, config.repeats, config.log)
        truth = load_truth(config.dataset, data_dir, dataset)
        _check_fits(config, dataset, truth)
        settings = SplitConfig(
            strategy=config.split,
            test_share=config.test_share,
            validation_share=config.validation_share,
        )
        split = split_interactions(dataset.interactions, settings, dataset.parts)
        if config.judge == "test":
            split = split.final()
        shares = ColdConfig(items=config.cold_items, users=config.cold_users, seed=config.cold_seed)
        cold = cold_split(dataset.interactions, split, shares, config.judge)
        task = cls(dataset, split, cold, truth)
        _check_can_be_evaluated(task, config)
        return task

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
        is_observed = (
            self.dataset.is_observed and self.split.strategy == GIVEN and self.split.is_final
        )
        return dataclasses.replace(
            self.train_data, interactions=self.test, known=self.train, is_observed=is_observed
        )

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


def _check_fits(config: RunConfig, dataset: Dataset, truth: Truth | None) -> None:
    environment = config.environment
    _check_says_something(dataset)
    if environment.sessions == "living" and truth is None:
        raise InputError(
            f"Expected a data set with a hidden world, such as demo, for living sessions. "
            f"Received: {config.dataset}. Leave --sessions out."
        )
    asked_for(config.baselines)
    check_proposer(environment.proposals.propose)
    if environment.rewards.reward_return:
        from drrec.envs.rewards import visits_returned  # here: it loads TensorFlow

        visits_returned(dataset.interactions, environment.rewards.return_days)
    if config.vectors.embedding == "implicit" and environment.unlogged == "model":
        raise InputError(
            "Expected vectors that predict ratings for --unlogged model. Received: --embedding "
            "implicit. Choose --unlogged constant, or another embedding."
        )
    chosen = (config.vectors.embedding, environment.unlogged)
    is_logged = environment.sessions == "logged"
    if is_logged and dataset.is_implicit and chosen != ("implicit", "constant"):
        raise InputError(
            f"Expected --embedding implicit --unlogged constant for {dataset.name}, all of whose "
            f"ratings are alike. Received: --embedding {chosen[0]} --unlogged {chosen[1]}, which "
            "would have nothing to learn."
        )


def _check_can_be_evaluated(task: Task, config: RunConfig) -> None:
    """See before anything is trained that the protocols will have users, and say what is odd."""
    size = task.dataset.interactions.num_items - 1
    if size < LONGEST_CUT:
        logger.warning(
            "the catalogue has %d items: metrics of lists longer than that say little", size
        )
    if "observed" in config.asked_also:
        protocol_of("observed").asked(task.test_data)
    is_rated = config.split != "leave_one_out" and not task.dataset.is_implicit
    if is_rated and not len(eligible_users(task.test, config.min_items)):
        most = int(task.test.counts().max(initial=0))
        raise InputError(
            f"Expected users with at least {config.min_items} ratings in the {config.judge} part, "
            f"one of them a like. Received: none; the longest has {most}. Pass --min-items "
            f"{max(most // 2, 1)}, a larger --test-share, or --split leave_one_out."
        )


def _check_says_something(dataset: Dataset) -> None:
    """See that some ratings are likes and some are not, unless all are alike."""
    share = float(np.mean(dataset.interactions.rating >= RELEVANT_FROM))
    if dataset.is_implicit or 0 < share < 1:
        return
    read = f", read as {dataset.scale}" if dataset.scale else ""
    raise InputError(
        f"Expected likes and others among the ratings of {dataset.name}. Received: "
        f"{'likes alone' if share else 'no like'}{read}. Pass --like-from X, the least rating that "
        "is a like, or --rating-scale LOW,HIGH."
    )
