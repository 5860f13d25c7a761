"""Processes of a cluster that play for a learner, or that learn together."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

from drrec.agents.config import DDPGConfig
from drrec.agents.data_parallel import InParallel, Rank
from drrec.agents.rollout_workers import RolloutWorker, WithWorkers
from drrec.agents.shards import WHOLE, Shard
from drrec.cluster.actors import Actors
from drrec.cluster.strategy import Group
from drrec.errors import InputError
from drrec.registry import AGENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from drrec.agents.base import Agent
    from drrec.agents.training import Trainee
    from drrec.cluster.tasks import Cluster
    from drrec.embeddings.pretrain import Content, Vectors
    from drrec.experiment.config import TrainConfig
    from drrec.experiment.task import Task


def build_agent(
    config: TrainConfig,
    judged: Task,
    vectors: Vectors,
    content: Content | None = None,
    shard: Shard = WHOLE,
) -> Agent:
    """The agent in its environment, before the first step."""
    agent = AGENTS[config.algorithm].of(config)
    agent.shard = shard
    agent.begin(judged.train_data, vectors, content)
    return agent


@contextlib.contextmanager
def spread_over(
    cluster: Cluster | None,
    agent: Agent,
    config: TrainConfig,
    judged: Task,
    vectors: Vectors,
    content: Content | None,
) -> Iterator[Trainee]:
    """What is to be trained within the body: the agent, or what spreads its training as asked.

    Args:
        cluster: where other processes run; None: there are none.
        agent: begun, with `shard_of(config)`.
        config: of the seed.
        judged: its log.
        vectors: that it was begun with.
        content: what is known of items beside their ids.

    Raises:
        InputError: there is no room for them, or they are killed again and again.
    """
    given = (config, judged, vectors, content)
    if cluster is None or not config.is_spread:
        yield agent
    elif count := config.rollout_workers:
        with Actors(cluster, _rollout_worker, given, count, "a rollout worker") as actors:
            yield WithWorkers(agent, actors.begin, count)  # type: ignore[arg-type]
    else:
        learner = InParallel(agent, lambda: Group(cluster, _rank, given, config.data_parallel))
        with contextlib.closing(learner):
            yield learner


def check_cluster(config: TrainConfig, cluster: object) -> None:
    """See that what a run asks for can be had.

    Raises:
        InputError: it needs a cluster and there is none, or its agent cannot be spread.
    """
    if not config.is_spread:
        return
    if cluster is None:
        raise InputError(
            "Expected --ray with --rollout-workers or --data-parallel. Received: none. "
            "Pass --ray, or train in one process."
        )
    if getattr(AGENTS[config.algorithm], "lag", None) is None:
        raise InputError(
            "Expected ddpg, td3, sac, ppo or a2c with --rollout-workers or --data-parallel. "
            f"Received: {config.algorithm}. Train it in one process."
        )


def _rollout_worker(rank: int, given: Callable[[], Any]) -> RolloutWorker:
    config, judged, vectors, content = given()
    if isinstance(config.agent, DDPGConfig):  # the worker's replay stays empty
        least = max(config.agent.batch_size, config.agent.num_envs)
        own = dataclasses.replace(config.agent, memory_size=least)
        config = dataclasses.replace(config, agent=own)
    shard = Shard(rank, config.rollout_workers)
    agent: Any = build_agent(config, judged, vectors, content, shard)
    return RolloutWorker(agent)


def _rank(
    rank: int,
    count: int,
    averaged: Callable[..., Any],
    config: TrainConfig,
    judged: Task,
    vectors: Vectors,
    content: Content | None,
) -> Rank:
    return Rank(build_agent(config, judged, vectors, content, Shard(rank, count)), averaged)
