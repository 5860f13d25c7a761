"""SessionEnvironment: base class of environments with N parallel sessions, as tensors."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

from drrec.nn.histories import pushed
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.envs.config import LoggedConfig
    from drrec.envs.rewards import Rewards


LOOKED_UP_FROM = 20_000
"""Items from which on scores are made of what is offered alone, and not of the catalogue.

With fewer, one matrix product is as fast as looking vectors up.
"""


class LoggedState(NamedTuple):
    """State of N sessions."""

    user: tf.Tensor  # [N] int32
    step: tf.Tensor  # [N] int32, number of items shown
    history: tf.Tensor  # [N, L] liked item ids, or items with rewards, see `data.histories`
    shown: tf.Tensor  # [N, T] int32 item ids, 0 where nothing was shown yet


class Outcome(NamedTuple):
    """Outcome of one step of N sessions, before any restart."""

    reward: tf.Tensor  # [N] float32
    pleased: tf.Tensor  # [N] float32 the rating term; liked if above 0
    terms: dict[str, tf.Tensor]  # [N] each, unweighted; empty if the rating is the only term
    next_history: tf.Tensor  # [N, L]
    next_shown: tf.Tensor  # [N, T] int32
    terminal: tf.Tensor  # [N] bool: no item is left; a time limit is not an end
    done: tf.Tensor  # [N] bool: the session is over, terminal or by time limit


class SessionEnvironment(abc.ABC):
    """N parallel sessions: a step shows one item to each user.

    A liked item enters the history, or each with its reward: as the opening histories are made. An
    item is shown at most once per session. Methods are pure: they map states to states.
    """

    log: Interactions
    """The log of the sessions."""

    def __init__(
        self,
        config: LoggedConfig,
        num_items: int,
        playing: np.ndarray,
        history: np.ndarray,
        rewards: Rewards | None = None,
        offered: np.ndarray | None = None,
    ) -> None:
        """Move the tables to the device.

        Args:
            config: settings of sessions.
            num_items: I.
            playing: [V] int32 the users that sessions are drawn from.
            history: [U, L] initial history of each user, int32 or int64, see `data.histories`.
            rewards: weighted reward terms; None is the rating alone.
            offered: [U, C] int32 the only items available to each user, 0 = padding; None is all.
        """
        if (rewards.weights if rewards else {"rating": 1}) != config.rewards.weights:
            raise ValueError("`rewards` goes with weights in `config`, the same ones.")
        self.config = config
        self.rewards = rewards
        self.num_items = num_items
        self.state_size = history.shape[1]
        self._players = tf.constant(playing)  # [V]
        self._history = tf.constant(history)  # [U, L]
        self._offered = None if offered is None else tf.constant(offered)  # [U, C]
        self._num_showable = num_items - 1

    @property
    def with_rewards(self) -> bool:
        """Whether histories hold every item shown with its reward, in place of liked items."""
        return bool(self._history.dtype == tf.int64)

    @property
    def pays_for_uptake(self) -> bool:
        """Whether reward depends mainly on interaction, rather than on the rating."""
        return False

    def is_new(self) -> np.ndarray:
        """[R] bool: the ratings that user embeddings are not fitted on; by default none."""
        return np.zeros(len(self.log), bool)

    @abc.abstractmethod
    def mean_logged(self, vectors: tf.Tensor) -> tf.Tensor:
        """[D] the mean of item vectors [I, D] over the items that sessions may show."""

    @abc.abstractmethod
    def paid(self, state: LoggedState, item: tf.Tensor) -> tf.Tensor:
        """[N] float32 the rating term of `item [N]` in this state; liked if above 0."""

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the reward's terms; empty if the rating is the only term."""
        return tuple(self.rewards.weights) if self.rewards else ()

    def available(self, user: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
        """[B, I] bool: the items available to users [B] after `shown [B, T]`."""
        items = tf.fill([tf.shape(user)[0], self.num_items], self._offered is None)
        if self._offered is not None:
            items = mark(items, tf.gather(self._offered, user), True)
        return mark(items, shown, False) & (tf.range(self.num_items) != PADDING)

    def barred(self, user: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
        """[B, n] int32 the items that may not be shown to users [B] after `shown [B, T]`.

        0 for none. What `is_showable` denies to all users is left out.
        """
        return shown

    def is_showable(self) -> np.ndarray:
        """[I] bool: the items that sessions may show to some user."""
        return np.arange(self.num_items) != PADDING

    @property
    def offers(self) -> tf.Tensor | None:
        """[U, C] int32 the only items available to each user, 0 = padding; None is all."""
        return self._offered

    def is_left(self, items: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
        """[B, C] bool: which of `items [B, C]` are neither padding nor in `shown [B, T]`."""
        return is_left(items, shown)

    def choose(self, scores: tf.Tensor, user: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
        """[B] int32: the available item with the highest of `scores [B, I]`."""
        if self._offered is not None:
            # What is offered is little: looking its scores up is cheaper than masking all.
            offered = tf.gather(self._offered, user)  # [B, C]
            theirs = tf.gather(scores, offered, batch_dims=1)  # [B, C]
            return best_left(theirs, offered, shown)
        scores = tf.where(self.available(user, shown), scores, -float("inf"))
        return tf.argmax(scores, axis=1, output_type=tf.int32)

    def choose_by(
        self, action: tf.Tensor, items: tf.Tensor, user: tf.Tensor, shown: tf.Tensor
    ) -> tf.Tensor:
        """[B] int32: the available item whose vector has the highest product with `action [B, D]`.

        Args:
            action: [B, D].
            items: [I, D].
            user: [B].
            shown: [B, T].
        """
        if self._offered is None or self.num_items < LOOKED_UP_FROM:
            return self.choose(tf.matmul(action, items, transpose_b=True), user, shown)
        offered = tf.gather(self._offered, user)  # [B, C]
        theirs = tf.einsum("bd,bcd->bc", action, tf.gather(items, offered))
        return best_left(theirs, offered, shown)

    def is_over(self, user: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
        """[N] bool: no item is available."""
        if self._offered is not None:
            return ~tf.reduce_any(is_left(tf.gather(self._offered, user), shown), axis=1)
        if self._num_showable > self.barred(user, shown).shape[1]:
            return tf.zeros_like(user, tf.bool)  # more than a session and a past can use up
        return ~tf.reduce_any(self.available(user, shown), axis=1)

    def draw_users(self, count: int, seed: tf.Tensor) -> tf.Tensor:
        """[count] int32 users, drawn uniformly from `playing`."""
        drawn = tf.random.stateless_uniform([count], seed, 0, len(self._players), tf.int32)
        return tf.gather(self._players, drawn)

    def start(self, user: tf.Tensor) -> LoggedState:
        """New sessions of users [N] int32."""
        shown = tf.fill([tf.shape(user)[0], self.config.episode_length], PADDING)
        return LoggedState(user, tf.zeros_like(user), tf.gather(self._history, user), shown)

    def step(self, state: LoggedState, item: tf.Tensor) -> tuple[LoggedState, Outcome]:
        """Show `item [N]`, which must be available, to each user."""
        reward = pleased = self.paid(state, item)
        terms: dict[str, tf.Tensor] = {}
        if self.rewards:
            terms = self.rewards.terms(state, item, pleased)
            reward = self.rewards.total(terms)
        history = pushed(state.history, item, pleased)  # [N, L]
        now = tf.range(self.config.episode_length) == state.step[:, None]  # [N, T]
        shown = tf.where(now, item[:, None], state.shown)
        terminal = self.is_over(state.user, shown)
        step = state.step + 1
        done = terminal | (step >= self.config.episode_length)
        outcome = Outcome(reward, pleased, terms, history, shown, terminal, done)
        return LoggedState(state.user, step, history, shown), outcome

    def restart(self, state: LoggedState, done: tf.Tensor, user: tf.Tensor) -> LoggedState:
        """Restart sessions where `done [N]`, with `user [N]`."""
        fresh = self.start(user)
        return LoggedState(
            *(
                tf.where(done if new.shape.rank == 1 else done[:, None], new, old)
                for new, old in zip(fresh, state, strict=True)
            )
        )


def mark(marks: tf.Tensor, items: tf.Tensor, value: bool) -> tf.Tensor:
    """Set `marks [N, I]` to `value` at `items [N, C]`."""
    rows = tf.broadcast_to(tf.range(tf.shape(items)[0])[:, None], tf.shape(items))
    where = tf.stack([rows, items], axis=2)  # [N, C, 2]
    return tf.tensor_scatter_nd_update(marks, where, tf.fill(tf.shape(items), value))


def best_left(scores: tf.Tensor, items: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
    """[B] int32 that of `items [B, C]` with the highest of `scores [B, C]` among what is left."""
    scores = tf.where(is_left(items, shown), scores, -float("inf"))
    place = tf.argmax(scores, axis=1, output_type=tf.int32)
    return tf.gather(items, place, batch_dims=1)


def is_left(items: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
    """[B, C] bool: which of `items [B, C]` are neither padding nor in `shown [B, T]`."""
    was_shown = tf.reduce_any(items[:, :, None] == shown[:, None, :], axis=2)
    return (items != PADDING) & ~was_shown
