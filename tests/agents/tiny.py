"""Small environments and agents for whoever tests learning."""

from __future__ import annotations

import collections
import contextlib
import csv
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager.polymorphic_function import compiler_ir

from drrec.agents.base import Agent
from drrec.agents.checkpoint import named_variables
from drrec.agents.config import AgentConfig
from drrec.agents.ddpg import DDPG
from drrec.agents.supervised import Supervised
from drrec.data.interactions import Interactions
from drrec.embeddings.config import EmbeddingConfig
from drrec.envs.config import LoggedConfig
from drrec.envs.logged import LoggedEnvironment
from drrec.envs.sessions import Sessions
from drrec.experiment.config import TrainConfig
from drrec.nn.actor_critic import reads_rewards
from drrec.registry import agent_config

SMALL: dict[str, Any] = {
    "dim_actor": 8,
    "dim_critic": 8,
    "batch_size": 16,
    "memory_size": 128,
    "num_envs": 4,
    "epsilon_steps": 400,
    "horizon": 4,
    "epochs": 1,
    "minibatches": 2,
    "sequence_width": 8,
    "window": 12,
    "sequence_layers": 1,
    "windows": 8,
}
"""Every setting that makes a compiled agent cheap; tests set what they depend on besides."""


def small(name: str = "ddpg", **settings: Any) -> AgentConfig:
    """An agent's settings: `SMALL` as far as it has them, then `settings`."""
    config = agent_config(name)
    known = {field.name for field in dataclasses.fields(config)}
    own = {key: value for key, value in SMALL.items() if key in known}
    return config(**(own | settings))


@contextlib.contextmanager
def without_xla() -> Iterator[None]:
    """Iterations run as graphs: XLA compiles an agent in ten seconds, and these are soon traced.

    They run as they are written, as in `tests/conftest.py`: so processes that tests start, too.
    """
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((Agent, "_run"), (Supervised, "_read")):
            patch.setattr(owner, name, tf.function(vars(owner)[name].python_function))
        yield


def as_graph(agent: Any) -> Any:
    """The agent, whose iterations run as graphs from now on; see `without_xla`."""
    agent._run = tf.function(functools.partial(Agent._run.python_function, agent))
    return agent


def assert_xla_takes(function: Any, *given: Any) -> None:
    """XLA has a program for a `tf.function`; its machine code, which takes longest, is not made."""
    made = function.get_concrete_function(*given)
    assert compiler_ir.from_concrete_function(made)(stage="hlo").startswith("HloModule")


def rated_by_all(num_users: int, num_items: int, rating: float = 5.0) -> Interactions:
    """A log in which every user rates every item alike, in the order of the items."""
    users, items = np.divmod(np.arange(num_users * num_items), num_items)
    ratings = np.full(len(users), rating, np.float32)
    return Interactions.from_raw(
        users.astype(str), items.astype(str), ratings, np.arange(len(users))
    )


def environment_over(
    log: Interactions,
    *,
    state_size: int = 3,
    episode_length: int = 4,
    share: float = 0.5,
    with_rewards: bool = False,
) -> LoggedEnvironment:
    """Sessions that open with each user's earlier ratings and show the later `share`."""
    past, future = log.past_and_future(share)
    config = LoggedConfig(unlogged="never", state_size=state_size, episode_length=episode_length)
    sessions = Sessions.over(past, future, state_size, with_rewards=with_rewards)
    return LoggedEnvironment(config, log, sessions)


def random_vectors(log: Interactions, dim: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """User vectors [U, D] and item vectors [I, D], row 0 zero."""
    generator = np.random.default_rng(0)
    user = generator.normal(0, 0.5, (log.num_users, dim)).astype(np.float32)
    item = generator.normal(0, 0.5, (log.num_items, dim)).astype(np.float32)
    item[0] = 0
    return user, item


def small_agent(log: Interactions, *, seed: int = 0, **settings: Any) -> DDPG:
    """An agent on random vectors over `environment_over(log)`, as `SMALL` and `settings` say."""
    config = small(**settings)
    environment = environment_over(log, with_rewards=reads_rewards(config))
    return DDPG.over(config, environment, *random_vectors(log), seed)


def write_csv(log: Interactions, path: pathlib.Path) -> pathlib.Path:
    """Write a log as a user's own, with named columns."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", "item_id", "rating", "timestamp"])
        columns = (log.users.raw[log.user], log.items.raw[log.item], log.rating, log.timestamp)
        writer.writerows(zip(*(column.tolist() for column in columns), strict=True))
    return path


def small_config(dataset: pathlib.Path | str, **settings: Any) -> TrainConfig:
    """A run that is over in seconds."""
    defaults: dict[str, Any] = {
        "steps": 200,
        "seed": 0,
        "min_items": 5,
        "baselines": "random,popularity",
        "split": "temporal",
        "judge": "test",
        "vectors": EmbeddingConfig(
            embedding="variational", dim_emb=5, popularity=0.3, held_out=0.4
        ),
        "environment": LoggedConfig(unlogged="never", state_size=3, episode_length=4),
        "agent": small(settings.get("algorithm", "ddpg")),
    }
    return TrainConfig(dataset=str(dataset), **(defaults | settings))


def values_of(agent: DDPG) -> dict[str, np.ndarray]:
    """Every variable of the learner, by its path."""
    return {name: variable.numpy() for name, variable in named_variables(agent.learner)}


def put_back(agent: DDPG, values: dict[str, np.ndarray]) -> None:
    """Set the learner to what `values_of` gave."""
    for name, variable in named_variables(agent.learner):
        variable.assign(values[name])


class Lender:
    """Agents for one test after the other: to put one back takes a tenth of building one."""

    def __init__(self, build: Callable[..., Any]) -> None:
        """`build` makes an agent of what `__call__` is given."""
        self._build = build
        self._owned: dict[Hashable, list[tuple[Any, dict[str, np.ndarray]]]] = {}
        self._lent: collections.Counter[Hashable] = collections.Counter()

    def __call__(self, *wanted: Hashable) -> Any:
        """An agent at its start, of which nobody has another since `take_back`."""
        owned = self._owned.setdefault(wanted, [])
        if len(owned) == self._lent[wanted]:
            agent = self._build(*wanted)
            owned.append((agent, values_of(agent)))
        agent, start = owned[self._lent[wanted]]
        self._lent[wanted] += 1
        put_back(agent, start)
        agent.averaged = None
        return agent

    def take_back(self) -> None:
        """All agents may be lent again."""
        self._lent.clear()
