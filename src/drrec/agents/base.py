"""What every agent does: plays sessions with N users side by side, compiled whole."""

from __future__ import annotations

import abc
import copy
import dataclasses
import functools
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
import tensorflow as tf

from drrec.agents.config import AgentConfig
from drrec.agents.items import item_table
from drrec.agents.policy import Policy
from drrec.agents.proposing import final_proposals, fitted_proposer, proposals_of
from drrec.agents.reranked import is_proposed, reranked_scores
from drrec.agents.sessions import build_environment, truth_for
from drrec.agents.settings import Settings, signature_of
from drrec.agents.streams import Stream, Streams
from drrec.base import Recommender, interactions_of
from drrec.embeddings.pretrain import content_of, pretrain
from drrec.embeddings.table import Levels, folded_in
from drrec.envs.base import LoggedState, Outcome, SessionEnvironment
from drrec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras

    from drrec.agents.items import ItemTable
    from drrec.data.interactions import Dataset, Interactions
    from drrec.embeddings.pretrain import Content, Vectors
    from drrec.features.store import Modality
    from drrec.nn.item_encoder import ItemEncoder


class Metrics(NamedTuple):
    """Sums over the iterations of one call; `docs/agents/` says what each means."""

    reward: tf.Tensor
    q: tf.Tensor
    critic_loss: tf.Tensor
    actor_loss: tf.Tensor
    td_error: tf.Tensor
    weight: tf.Tensor


class Agent(Recommender):
    """An agent: a recommender that learns by playing sessions in a compiled loop.

    An action is a vector; what is shown is the available item that it scores highest by dot
    product, or that is drawn by those scores. Constructor arguments are the settings of its
    `Config`, of `EmbeddingConfig`, `LoggedConfig` and `ContentConfig`, by the names of their flags.
    """

    Config: ClassVar[type[AgentConfig]] = AgentConfig
    """The class of its own settings."""
    networks: Any
    """The agent's own dataclass of what learns, with `items`, `state` and `actor` among it."""
    metrics: Any = Metrics
    """The NamedTuple that `run` sums up."""
    uses_history = True
    is_random = True
    streams: ClassVar[frozenset[Stream]] = frozenset({Stream.USERS, Stream.RESTART})
    """The random streams that it draws from."""

    def __init__(self, *, seed: int = 0, **settings: Any) -> None:
        """Take the settings; nothing is built before `fit`.

        Raises:
            InputError: one is unknown, or out of its range.
        """
        self._take(Settings.of(self.Config, seed, settings))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let `help` and notebooks show all settings."""
        super().__init_subclass__(**kwargs)
        cls.__signature__ = signature_of(cls.Config)  # type: ignore[attr-defined]

    @classmethod
    def of(cls, setup: Any) -> Self:
        """With settings by part: `Settings`, or what has all of them."""
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
        """Ready to play, in an environment that is there already; see `set_up`."""
        agent = cls.of(Settings(seed=seed, environment=environment.config, agent=config))
        agent.set_up(environment, user, item, content)
        return agent

    def _take(self, setup: Settings) -> None:
        self.setup, self.config, self.seed = setup, setup.agent, setup.seed
        self.history_length = setup.environment.state_size

    def set_up(
        self,
        environment: SessionEnvironment,
        user: np.ndarray,
        item: np.ndarray,
        content: tuple[ItemEncoder, Sequence[Modality]] | None = None,
    ) -> None:
        """Make what learns, and begin the first sessions.

        Args:
            environment: what it acts in.
            user: [U, D] frozen.
            item: [I, D], row 0 zero; frozen but for what `content` moves.
            content: the encoder to be tuned, and what it encodes; None tunes none.
        """
        self.environment = environment
        self.user = tf.constant(user, tf.float32)
        self.iteration = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._streams = Streams(self.seed, self.streams)
        self._terms = {name: tf.Variable(0.0, trainable=False) for name in environment.terms}
        first = environment.start(self._draw_users(Stream.USERS))
        self.sessions = LoggedState(*(tf.Variable(part, trainable=False) for part in first))
        self._build(functools.partial(item_table, item, content))

    def fit(
        self,
        train: Dataset | Interactions,
        *,
        steps: int = 40_000,
        callbacks: Sequence[Callable[[Agent, dict[str, float]], None]] = (),
    ) -> Self:
        """Pre-train vectors on `train`, and learn in its sessions.

        Args:
            train: a data set, or its log of ratings; with a modality, a data set with features.
            steps: environment steps, all sessions together, rounded up to whole iterations.
            callbacks: called after each chunk of some 2,000 steps with the agent and the means of
                what was logged.

        Raises:
            InputError: there is too little to learn from, or the settings do not fit it.
            KeyboardInterrupt: Ctrl-C came; what was learned by then is lost.
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
        """Make the sessions of `train` and the networks on `vectors`, before the first step."""
        log, table = interactions_of(train), vectors.table
        truth = truth_for(
            self.setup, log, getattr(train, "genres", None), getattr(train, "truth", None)
        )
        environment = build_environment(self.setup, log, table, truth)
        tuned = None
        if content and vectors.encoder and content.config.encoder == "finetuned":
            tuned = vectors.encoder, content.modalities
        self.set_up(environment, table.user, table.item, tuned)

    def finish(self, train: Dataset | Interactions, vectors: Vectors) -> None:
        """Keep what has been learned, for the final `vectors` of `train`."""
        log, table = interactions_of(train), vectors.table
        self._policy = self.policy(table.user, table.item)
        self._levels = Levels.of(self._policy.user, self._policy.item, log)
        self._proposals: Any = None
        self._proposer: Any = None
        if self.setup.environment.proposals.propose:
            self._proposer = fitted_proposer(self.setup, log)
            self._proposals = final_proposals(self.setup, log, self._proposer)
        self._note(train)

    @property
    def proposals(self) -> np.ndarray | None:
        """[U, K] the only items it ranks, if it re-ranks what another method proposes."""
        return self._proposals

    @property
    def proposer_name(self) -> str:
        """The baseline that proposes, '' if none does."""
        return self.setup.environment.proposals.propose

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """i·a of the actor's action a; see `Recommender.score`. Of one that re-ranks, see there."""
        if self._proposer is None:
            return self._policy.score(users, histories, candidates)
        return reranked_scores(
            self._policy, self._proposer, self._proposals, users, histories, candidates
        )

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments, plain values."""
        return Settings.flat(self.setup)

    def state(self) -> dict[str, Any]:
        """What recommending needs, and nothing that learning needs."""
        policy = self._policy
        return {
            "user_vectors": policy.user,
            "item_vectors": policy.item,
            "weights": policy.weights(),
            "levels": self._levels,
            "proposals": self._proposals,
            "proposer": self._proposer,
            "known": self._known,
        }

    def restore(self, state: dict[str, Any]) -> Self:
        """Take what `state` gave."""
        size = self.history_length
        user, item = state["user_vectors"], state["item_vectors"]
        self._policy = Policy.build(self.config, user, item, size)
        self._policy.set_weights(state["weights"])
        self._levels, self._known = state["levels"], state["known"]
        self._proposals, self._proposer = state["proposals"], state["proposer"]
        return self

    def _scored(self, users: np.ndarray, histories: np.ndarray) -> np.ndarray:
        scores = self._policy.score(users, histories)
        if self._proposer is None:
            return scores
        chosen = is_proposed(self._proposals[users], None, scores.shape[1])
        return np.where(chosen, scores, -np.inf)

    def _folded_in(self, log: Interactions, liked: np.ndarray) -> Self:
        policy, levels = self._policy, self._levels
        target = np.where(np.isin(log.item, liked), levels.liked, levels.disliked)
        rows = policy.item[log.item]
        user = folded_in(policy.user, rows, target, levels.noise_variance)
        other = copy.copy(self)
        other._policy = dataclasses.replace(policy, user=user[None])
        if self._proposer is not None:
            proposer = self._proposer._folded_in(log, liked)
            settings = self.setup.environment.proposals
            other._proposer = proposer
            other._proposals = proposals_of(
                proposer, log, settings.propose_k, self.setup, mask_seen=True
            )
        return other

    def _item_vectors(self) -> np.ndarray:
        return self._policy.item

    @abc.abstractmethod
    def _build(self, new_table: Callable[[], ItemTable]) -> None:
        """Make the networks, and what else learns, on one item table or several."""

    @property
    @abc.abstractmethod
    def learner(self) -> Any:
        """All state of training: what a checkpoint holds, as a dataclass of variables."""

    @abc.abstractmethod
    def _iterate(self) -> Any:
        """Play and learn; the counter goes on by one for each step of the sessions."""

    def run(self, iterations: tf.Tensor) -> Any:
        """Do `iterations [] int32` iterations, of `steps_each` steps a session; sums of metrics."""
        for total in self._terms.values():
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
        """Means of the reward's terms, unweighted, over the last `run`, of so many iterations.

        By `reward_<term>`; none where an item's rating is all that it pays.
        """
        steps = iterations * self.steps_each
        return {f"reward_{name}": float(total) / steps for name, total in self._terms.items()}

    @property
    def steps_each(self) -> int:
        """Steps that every session takes in an iteration."""
        return 1

    @property
    def steps_an_iteration(self) -> int:
        """Environment steps, all sessions together."""
        return self.config.num_envs * self.steps_each

    @property
    def steps(self) -> int:
        """Environment steps done, all sessions together."""
        return int(self.iteration) * self.config.num_envs

    def policy(self, user: np.ndarray, item: np.ndarray) -> Policy:
        """What has been learned, for final tables `user [U, D]` and `item [I, D]`."""
        item = self.networks.items.moved(item)
        return Policy(user, item, self.networks.state, self.networks.actor)

    def act(self, users: tf.Tensor, histories: tf.Tensor) -> tf.Tensor:
        """[N], [N, L] -> [N, D] the actor's action, without noise."""
        return self._act(users, histories, self.networks.items.table())

    def _act(self, users: tf.Tensor, histories: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        user = tf.gather(self.user, users)
        state = self.networks.state(user, tf.gather(items, histories))
        return self.networks.actor(state, user)

    def _state(self) -> LoggedState:
        return LoggedState(*(tf.convert_to_tensor(part) for part in self.sessions))

    def _play(self, state: LoggedState, item: tf.Tensor) -> Outcome:
        """Show `item [N]`; sessions that are over start anew with users drawn."""
        moved, outcome = self.environment.step(state, item)
        restarted = self.environment.restart(moved, outcome.done, self._draw_users(Stream.RESTART))
        for variable, value in zip(self.sessions, restarted, strict=True):
            variable.assign(value)
        for name, term in outcome.terms.items():
            self._terms[name].assign_add(tf.reduce_mean(term))
        return outcome

    def _shown_by(
        self, action: tf.Tensor, items: tf.Tensor, user: tf.Tensor, shown: tf.Tensor
    ) -> tf.Tensor:
        """[B] int32: the available item of `items [I, D]` that action [B, D] scores highest."""
        scores = tf.matmul(action, items, transpose_b=True)  # [B, I]
        return self.environment.choose(scores, user, shown)

    def _descend(
        self,
        optimizer: keras.optimizers.Optimizer,
        tape: tf.GradientTape,
        loss: tf.Tensor,
        weights: list[keras.Variable],
    ) -> None:
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        if self.config.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.config.clip_norm)
        optimizer.apply(gradients)

    def _draw_users(self, stream: Stream) -> tf.Tensor:
        return self.environment.draw_users(self.config.num_envs, self._stream(stream))

    def _stream(self, stream: Stream, counter: int | tf.Tensor = 0) -> tf.Tensor:
        """[2] the seed of draw `counter` of a stream at this iteration."""
        return self._streams.seed(stream, self.iteration, counter)
