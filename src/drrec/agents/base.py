"""What every agent does: plays sessions with N users side by side, compiled whole."""

from __future__ import annotations

import abc
import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import tensorflow as tf

from drrec.agents.items import item_table
from drrec.agents.policy import Policy
from drrec.envs.base import LoggedState, Outcome, SessionEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras
    import numpy as np

    from drrec.agents.config import AgentConfig
    from drrec.agents.items import ItemTable
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


class Agent(abc.ABC):
    """An agent: environment, networks, and the compiled loop over them.

    An action is a vector; what is shown is the available item that it scores highest by dot
    product, or that is drawn by those scores.
    """

    networks: Any
    """The agent's own dataclass of what learns, with `items`, `state` and `actor` among it."""
    metrics: Any = Metrics
    """The NamedTuple that `run` sums up."""

    def __init__(
        self,
        config: AgentConfig,
        environment: SessionEnvironment,
        user: np.ndarray,
        item: np.ndarray,
        seed: int,
        content: tuple[ItemEncoder, Sequence[Modality]] | None = None,
    ) -> None:
        """Make what learns, and begin the first sessions.

        Args:
            config: the agent's settings.
            environment: what it acts in.
            user: [U, D] frozen.
            item: [I, D], row 0 zero; frozen but for what `content` moves.
            seed: of all that is random.
            content: the encoder to be tuned, and what it encodes; None tunes none.
        """
        self.config = config
        self.environment = environment
        self.user = tf.constant(user, tf.float32)
        self.iteration = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._seed = seed
        self._terms = {name: tf.Variable(0.0, trainable=False) for name in environment.terms}
        first = environment.start(self._draw_users(0))
        self.sessions = LoggedState(*(tf.Variable(part, trainable=False) for part in first))
        self._build(functools.partial(item_table, item, content))

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
        restarted = self.environment.restart(moved, outcome.done, self._draw_users(1))
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

    def _draw_users(self, stream: int) -> tf.Tensor:
        return self.environment.draw_users(self.config.num_envs, self._stream(stream))

    def _stream(self, number: int) -> tf.Tensor:
        """[2] the seed of stream `number` at this iteration: no state but the counter."""
        return tf.stack([tf.constant(self._seed, tf.int64), self.iteration * 8 + number])
