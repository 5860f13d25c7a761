"""Agent: base class of agents, which train on N parallel sessions in one compiled loop."""

from __future__ import annotations

import abc
import functools
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
import tensorflow as tf

from drrec.agents.acting import ActingRecommender
from drrec.agents.blending import Blend
from drrec.agents.config import AgentConfig
from drrec.agents.items import item_table
from drrec.agents.policy import Policy
from drrec.agents.proposing import final_proposals, fitted_baseline
from drrec.agents.retrieval import ClusterIndex
from drrec.agents.sessions import build_environment, truth_for
from drrec.agents.settings import Settings, signature_of
from drrec.agents.shards import WHOLE, Shard
from drrec.agents.streams import Stream, Streams
from drrec.base import interactions_of
from drrec.embeddings.pretrain import content_of, pretrain
from drrec.embeddings.table import Levels
from drrec.envs.base import LoggedState, Outcome, SessionEnvironment
from drrec.errors import InputError
from drrec.nn.actor_critic import reads_rewards
from drrec.nn.histories import described

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras

    from drrec.agents.items import ItemTable
    from drrec.data.dataset import Dataset
    from drrec.data.interactions import Interactions
    from drrec.embeddings.pretrain import Content, Vectors
    from drrec.features.store import Modality
    from drrec.nn.item_encoder import ItemEncoder


class Metrics(NamedTuple):
    """Sums over the iterations of one call; `docs/agents/` defines each."""

    reward: tf.Tensor
    q: tf.Tensor
    critic_loss: tf.Tensor
    actor_loss: tf.Tensor
    td_error: tf.Tensor
    weight: tf.Tensor


class Agent(ActingRecommender):
    """Base class of agents: recommenders trained by reinforcement learning on sessions.

    An action is a vector of width D. The item shown is the available one with the highest dot
    product, or is sampled by these scores. Constructor arguments are the settings of `Config`,
    `EmbeddingConfig`, `LoggedConfig` and `ContentConfig`; their names are those of the flags.
    """

    Config: ClassVar[type[AgentConfig]] = AgentConfig
    """Config class of the agent."""
    networks: Any
    """Dataclass of all trainable parts, among them `items`, `state` and `actor`."""
    metrics: Any = Metrics
    """NamedTuple of the metrics that `run` sums."""
    shard: Shard = WHOLE
    """Which of the sessions this process plays; to be set before `begin`."""
    averaged: Callable[[Sequence[tf.Tensor]], list[tf.Tensor]] | None = None
    """Gives the means of gradients over the processes that learn together; None: it is alone."""
    _index: ClusterIndex | None = None
    streams: ClassVar[frozenset[Stream]] = frozenset({Stream.USERS, Stream.RESTART})
    """The random streams in use."""

    def __init__(self, *, seed: int = 0, **settings: Any) -> None:
        """Set the settings; networks are built by `fit`.

        Raises:
            InputError: a setting is unknown, or out of its range.
        """
        self._take(Settings.of(self.Config, seed, settings))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give the constructor a signature with all settings."""
        super().__init_subclass__(**kwargs)
        cls.__signature__ = signature_of(cls.Config)  # type: ignore[attr-defined]

    @classmethod
    def of(cls, setup: Any) -> Self:
        """Build from `Settings`, or any object with the same attributes."""
        agent = cls.__new__(cls)
        agent._take(setup)
        return agent

    @classmethod
    def over(
        cls,
        config: AgentConfig,
        environment: SessionEnvironment,
        user: np.ndarray,
        item: np.ndarray,
        seed: int,
        content: tuple[ItemEncoder, Sequence[Modality]] | None = None,
    ) -> Self:
        """Build in a given environment, ready to train; see `set_up`."""
        agent = cls.of(Settings(seed=seed, environment=environment.config, agent=config))
        agent.set_up(environment, user, item, content)
        return agent

    def _take(self, setup: Settings) -> None:
        self.setup, self.config, self.seed = setup, setup.agent, setup.seed
        self.history_length = setup.environment.state_size
        self.reads_rewards = reads_rewards(self.config)

    def set_up(
        self,
        environment: SessionEnvironment,
        user: np.ndarray,
        item: np.ndarray,
        content: tuple[ItemEncoder, Sequence[Modality]] | None = None,
    ) -> None:
        """Build networks and optimizers, and begin the first sessions.

        Args:
            environment: the environment.
            user: [U, D] user embeddings, frozen.
            item: [I, D] item embeddings, row 0 zero; frozen unless `content` is fine-tuned.
            content: the item encoder to fine-tune, and its features; None fine-tunes none.
        """
        if environment.with_rewards != self.reads_rewards:
            raise ValueError(
                f"Expected an environment made with_rewards={self.reads_rewards}, as the state "
                f"{self.config.state} reads. Received: with_rewards={environment.with_rewards}."
            )
        self.environment = environment
        self.user = tf.constant(self._padded(user), tf.float32)
        self.iteration = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._streams = Streams(self.seed, self.streams, self.shard.rank)
        self.terms = {name: tf.Variable(0.0, trainable=False) for name in environment.terms}
        first = environment.start(self._draw_users(Stream.USERS))
        self.sessions = LoggedState(*(tf.Variable(part, trainable=False) for part in first))
        self._index = self._new_index(item)
        self._build(self._new_table(item, content))
        if self._index:
            self._index.follow(self.networks.items)

    def _new_index(self, item: np.ndarray) -> ClusterIndex | None:
        """Of the catalogue; None where sessions look through all of it, or offer a few items."""
        environment = self.environment
        if environment.offers is not None:
            return None
        return ClusterIndex.chosen(self.config, item, environment.is_showable(), self.seed)

    def _new_table(
        self, item: np.ndarray, content: tuple[ItemEncoder, Sequence[Modality]] | None
    ) -> Callable[[], ItemTable]:
        return functools.partial(item_table, item, content, self.config.dim_learned, self.seed)

    def _padded(self, user: np.ndarray) -> np.ndarray:
        """[U, D] -> [U, D + E] with zeros for the coordinates that items learn."""
        return np.pad(user, [(0, 0), (0, self.config.dim_learned)])

    def fit(
        self,
        train: Dataset | Interactions,
        *,
        steps: int = 40_000,
        callbacks: Sequence[Callable[[Agent, dict[str, float]], None]] = (),
    ) -> Self:
        """Pre-train embeddings on `train`, then train the agent on its sessions.

        Args:
            train: a data set, or its interactions; with a modality, a data set with features.
            steps: environment steps over all sessions, rounded up to whole iterations.
            callbacks: called about every 2,000 steps with the agent and the mean metrics.

        Returns:
            The agent itself.

        Raises:
            InputError: the log is too small, or the settings do not match it.
            KeyboardInterrupt: training was interrupted by Ctrl-C; the agent is not fitted.
        """
        from drrec.agents.training import learn

        if steps < 1:
            raise InputError(f"`steps` must be at least 1. Received: {steps}.")
        log = interactions_of(train)
        content = content_of(self.setup.content, train)
        pretrained = pretrain(log, self.setup.vectors, self.seed, content)
        self.begin(train, pretrained.prefix, content)
        if not learn(self, steps, callbacks, type(self).__name__):
            raise KeyboardInterrupt
        self.finish(train, pretrained.final)
        return self

    def begin(
        self, train: Dataset | Interactions, vectors: Vectors, content: Content | None = None
    ) -> None:
        """Build the environment of `train` and the networks over `vectors`; no step is taken."""
        log, table = interactions_of(train), vectors.table
        truth = truth_for(
            self.setup, log, getattr(train, "genres", None), getattr(train, "truth", None)
        )
        environment = build_environment(self.setup, log, table, truth)
        self._features = content.features if content else None
        tuned = None
        if content and vectors.encoder and content.config.encoder == "finetuned":
            tuned = vectors.encoder, content.modalities
        self.set_up(environment, table.user, table.item, tuned)

    def finish(self, train: Dataset | Interactions, vectors: Vectors) -> None:
        """Store the trained policy, over the final `vectors` of `train`."""
        log, table = interactions_of(train), vectors.table
        self._policy = self.policy(table.user, table.item)
        self._levels = Levels.of(self._policy.user, self._policy.item, log)
        self._proposals: Any = None
        self._proposer: Any = None
        if self.proposer_name:
            self._proposer = fitted_baseline(self.proposer_name, self.setup, log)
            self._proposals = final_proposals(self.setup, log, self._proposer)
        self._blend: Blend | None = None
        if weights := self.config.blended:
            bases = [fitted_baseline(name, self.setup, log, self._features) for name in weights]
            length = self.history_length
            self._blend = Blend.of(self._policy, bases, [*weights.values()], log, length)
        self._note(train)

    def settings(self) -> dict[str, Any]:
        """Constructor arguments by name, as plain values."""
        return Settings.flat(self.setup)

    def state(self) -> dict[str, Any]:
        """What inference needs; nothing that only training needs."""
        policy = self._policy
        return {
            "user_vectors": policy.user,
            "item_vectors": policy.item,
            "weights": policy.weights(),
            "levels": self._levels,
            "proposals": self._proposals,
            "proposer": self._proposer,
            "bases": self._blend and [*self._blend.bases],
            "scales": self._blend and [self._blend.own_scale, *self._blend.base_scales],
            "known": self._known,
        }

    def restore(self, state: dict[str, Any]) -> Self:
        """Set fitted attributes, as `state` returns them."""
        size = self.history_length
        user, item = state["user_vectors"], state["item_vectors"]
        self._policy = Policy.build(self.config, user, item, size)
        self._policy.set_weights(state["weights"])
        self._restore_rest(state)
        return self

    def tuned_encoders(self) -> list[tuple[int, ItemEncoder]]:
        """Item encoders whose difference moves the items' vectors, with its signs."""
        return self.networks.items.tuned_encoders()

    def went_on(self) -> None:
        """Follow networks that were set to those of an earlier run, after `begin`."""

    @abc.abstractmethod
    def _build(self, new_table: Callable[[], ItemTable]) -> None:
        """Build the networks and optimizers over one item table or several."""

    @property
    @abc.abstractmethod
    def learner(self) -> Any:
        """All state of training, as a dataclass of variables: the content of a checkpoint."""

    @abc.abstractmethod
    def _iterate(self) -> Any:
        """Act and update; the counter is increased by one for each step of the sessions."""

    def run(self, iterations: tf.Tensor) -> Any:
        """Run `iterations [] int32` iterations of `steps_each` steps; sums of metrics."""
        for total in self.terms.values():
            total.assign(0.0)
        return self._run(iterations)

    @tf.function(jit_compile=True)
    def _run(self, iterations: tf.Tensor) -> Any:
        sums = self.metrics(*(tf.constant(0.0) for _ in self.metrics._fields))
        done = tf.constant(0)
        # Not over tf.range: XLA would compile again for each new number of iterations.
        while done < iterations:
            sums = self.metrics(*(a + b for a, b in zip(sums, self._iterate(), strict=True)))
            done += 1
        return sums

    def reward_terms(self, iterations: int) -> dict[str, float]:
        """Unweighted means of the reward's terms over the last `run` of `iterations` iterations.

        By `reward_<term>`; empty if the rating is the only term.
        """
        steps = iterations * self.steps_each
        return {f"reward_{name}": float(total) / steps for name, total in self.terms.items()}

    @property
    def steps_each(self) -> int:
        """Steps per session in an iteration."""
        return 1

    @property
    def steps_an_iteration(self) -> int:
        """Environment steps over all sessions in an iteration."""
        return self.config.num_envs * self.steps_each

    @property
    def steps(self) -> int:
        """Environment steps so far, over all sessions."""
        return int(self.iteration) * self.config.num_envs

    def policy(self, user: np.ndarray, item: np.ndarray) -> Policy:
        """The trained policy over final embeddings `user [U, D]` and `item [I, D]`."""
        item = self.networks.items.moved(item)
        parts = (self.networks.state, self.networks.actor)
        return Policy(self._padded(user), item, *parts, reads_rewards=self.reads_rewards)

    def act(self, users: tf.Tensor, histories: tf.Tensor) -> tf.Tensor:
        """[N], [N, L] -> [N, D] the actor's action, without noise."""
        return self._act(users, histories, self.networks.items.table())

    def _act(self, users: tf.Tensor, histories: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        user = tf.gather(self.user, users)
        state = self.networks.state(user, described(items, histories))
        return self.networks.actor(state, user)

    def _state(self) -> LoggedState:
        return LoggedState(*(tf.convert_to_tensor(part) for part in self.sessions))

    def _play(self, state: LoggedState, item: tf.Tensor) -> Outcome:
        """Step with `item [N]`; sessions that have ended restart with users drawn at random."""
        moved, outcome = self.environment.step(state, item)
        restarted = self.environment.restart(moved, outcome.done, self._draw_users(Stream.RESTART))
        for variable, value in zip(self.sessions, restarted, strict=True):
            variable.assign(value)
        for name, term in outcome.terms.items():
            self.terms[name].assign_add(tf.reduce_mean(term))
        return outcome

    def _shown_by(
        self, action: tf.Tensor, items: tf.Tensor, user: tf.Tensor, shown: tf.Tensor
    ) -> tf.Tensor:
        """[B] int32: the available item of `items [I, D]` with the highest score by `action`."""
        environment = self.environment
        if self._index:
            return self._index.best(action, items, environment.barred(user, shown))
        return environment.choose_by(action, items, user, shown)

    def _descend(
        self,
        optimizer: keras.optimizers.Optimizer,
        tape: tf.GradientTape,
        loss: tf.Tensor,
        weights: list[keras.Variable],
    ) -> None:
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        if self.averaged:
            gradients = self.averaged(gradients)
        if self.config.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.config.clip_norm)
        optimizer.apply(gradients)

    def _draw_users(self, stream: Stream) -> tf.Tensor:
        count = self.shard.size(self.config.num_envs)
        return self.environment.draw_users(count, self._stream(stream))

    def _stream(self, stream: Stream, counter: int | tf.Tensor = 0) -> tf.Tensor:
        """[2] the seed of draw `counter` of a stream at this iteration."""
        return self._streams.seed(stream, self.iteration, counter)
