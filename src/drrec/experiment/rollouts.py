"""Rollout workers of a cluster beside one learner in this process."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from drrec.agents.config import DDPGConfig
from drrec.agents.rollout_workers import RolloutWorker, WithWorkers
from drrec.agents.shards import Shard
from drrec.cluster.actors import Actors
from drrec.errors import InputError
from drrec.registry import AGENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drrec.agents.base import Agent
    from drrec.agents.training import Trainee
    from drrec.cluster.tasks import Cluster
    from drrec.embeddings.pretrain import Content, Vectors
    from drrec.experiment.config import TrainConfig
    from drrec.experiment.task import Task


@contextlib.contextmanager
def with_rollouts(
    cluster: Cluster | None,
    agent: Agent,
    config: TrainConfig,
    judged: Task,
    vectors: Vectors,
    content: Content | None,
) -> Iterator[Trainee]:
    """The agent, with rollout workers if `config` asks for them, to be trained within the body.

    Args:
        cluster: where they run.
        agent: the learner, begun.
        config: of the seed.
        judged: its log.
        vectors: that it was begun with.
        content: what is known of items beside their ids.

    Raises:
        InputError: there is no room for them, or they are killed again and again.
    """
    count = config.rollout_workers
    if not count or cluster is None:
        yield agent
        return
    given = (config, judged, vectors, content)
    with Actors(cluster, _rollout_worker, given, count, "a rollout worker") as actors:
        yield WithWorkers(agent, actors.begin, count)  # type: ignore[arg-type]


def check_cluster(config: TrainConfig, cluster: object) -> None:
    """See that what a run asks for can be had.

    Raises:
        InputError: it needs a cluster and there is none, or nobody can play for its agent.
    """
    if not config.rollout_workers:
        return
    if cluster is None:
        raise InputError(
            f"Expected --ray with --rollout-workers {config.rollout_workers}. Received: none. "
            "Pass --ray, or train without rollout workers."
        )
    if getattr(AGENTS[config.algorithm], "lag", None) is None:
        raise InputError(
            "Expected an algorithm that rollout workers can play for, such as ddpg or ppo. "
            f"Received: {config.algorithm}. Train it without --rollout-workers."
        )


def _rollout_worker(
    rank: int, config: TrainConfig, judged: Task, vectors: Vectors, content: Content | None
) -> RolloutWorker:
    if isinstance(config.agent, DDPGConfig):  # the worker's replay stays empty
        least = max(config.agent.batch_size, config.agent.num_envs)
        own = dataclasses.replace(config.agent, memory_size=least)
        config = dataclasses.replace(config, agent=own)
    agent = AGENTS[config.algorithm].of(config)
    agent.shard = Shard(rank, config.rollout_workers)
    agent.begin(judged.train_data, vectors, content)
    return RolloutWorker(agent)
