"""N logged sessions side by side, as tensors: nothing here runs per step in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.envs.config import LoggedConfig
    from drrec.envs.sessions import Sessions


class LoggedState(NamedTuple):
    """N sessions under way."""

    user: tf.Tensor  # [N] int32
    step: tf.Tensor  # [N] int32, how many items were shown
    history: tf.Tensor  # [N, L] int32 liked item ids, most recent last, 0 = padding
    shown: tf.Tensor  # [N, T] int32 item ids, 0 where nothing was shown yet


class Outcome(NamedTuple):
    """What showing one item to each of N users led to, before any session starts anew."""

    reward: tf.Tensor  # [N] float32
    next_history: tf.Tensor  # [N, L] int32
    next_shown: tf.Tensor  # [N, T] int32
    terminal: tf.Tensor  # [N] bool: nothing is left to show; a time limit is not an end
    done: tf.Tensor  # [N] bool: the session is over, by its end or by its time limit


class LoggedEnvironment:
    """Sessions over a log of ratings: reward (rating − 3) / 2; a liked item enters the history.

    An item is shown once a session. Pure: every method maps states to states.
    """

    def __init__(
        self,
        config: LoggedConfig,
        train: Interactions,
        sessions: Sessions,
        predicted: tuple[np.ndarray, np.ndarray, float] | None = None,
    ) -> None:
        """Put the tables on the device.

        Args:
            config: what a session shows and pays.
            train: every rating that may be handed out.
            sessions: how each user's session opens, and what it may show.
            predicted: user vectors [U, D], item vectors [I, D] and mean, for `model` rewards.
        """
        if (config.unlogged == "model") != (predicted is not None):
            raise ValueError("`predicted` goes with `unlogged='model'`, and only with it.")
        self.config = config
        self.num_items = train.num_items
        self.state_size = sessions.history.shape[1]
        self._players = tf.constant(sessions.players)  # [V]
        self._history = tf.constant(sessions.history)  # [U, L]
        self._candidates = tf.constant(sessions.candidates)  # [U, C]
        order = np.lexsort((train.item, train.user))
        self._offsets = tf.constant(train.offsets.astype(np.int32))  # [U + 1]
        self._logged_item = tf.constant(train.item[order])  # [R], ascending for each user
        self._logged_reward = tf.constant((train.rating[order] - 3) / 2)  # [R]
        self._search_steps = int(train.counts().max()).bit_length()
        self._predicted = predicted and tuple(tf.constant(part, tf.float32) for part in predicted)

    def mean_logged(self, vectors: tf.Tensor) -> tf.Tensor:
        """[D] the mean of item vectors [I, D] over the ratings that sessions may show."""
        logged = tf.boolean_mask(self._candidates, self._candidates != PADDING)
        counts = tf.math.bincount(logged, minlength=self.num_items, dtype=tf.float32)
        return tf.linalg.matvec(vectors, counts / tf.reduce_sum(counts), transpose_a=True)

    def draw_users(self, count: int, seed: tf.Tensor) -> tf.Tensor:
        """[count] int32 users to play, uniform over those whose log has enough to show."""
        drawn = tf.random.stateless_uniform([count], seed, 0, len(self._players), tf.int32)
        return tf.gather(self._players, drawn)

    def start(self, user: tf.Tensor) -> LoggedState:
        """Fresh sessions of users [N] int32."""
        shown = tf.fill([tf.shape(user)[0], self.config.episode_length], PADDING)
        return LoggedState(user, tf.zeros_like(user), tf.gather(self._history, user), shown)

    def available(self, user: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
        """[B, I] bool: what may be shown to users [B] after `shown [B, T]`."""
        shape = [tf.shape(user)[0], self.num_items]
        if self.config.unlogged == "never":
            logged = tf.gather(self._candidates, user)  # [B, C]
            allowed = _mark(tf.zeros(shape, tf.bool), logged, True)
        else:
            opening = tf.gather(self._history, user)  # [B, L]
            allowed = _mark(tf.ones(shape, tf.bool), opening, False)
        return _mark(allowed, shown, False) & (tf.range(self.num_items) != PADDING)

    def choose(self, scores: tf.Tensor, user: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
        """[B] int32: the available item that `scores [B, I]` puts first."""
        if self.config.unlogged == "never":
            # A user's candidates are few: looking their scores up is cheaper than masking all.
            logged = tf.gather(self._candidates, user)  # [B, C]
            theirs = tf.gather(scores, logged, batch_dims=1)  # [B, C]
            theirs = tf.where(_left(logged, shown), theirs, -float("inf"))
            place = tf.argmax(theirs, axis=1, output_type=tf.int32)
            return tf.gather(logged, place, batch_dims=1)
        scores = tf.where(self.available(user, shown), scores, -float("inf"))
        return tf.argmax(scores, axis=1, output_type=tf.int32)

    def _is_over(self, user: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
        """[N] bool: nothing is available."""
        if self.config.unlogged == "never":
            return ~tf.reduce_any(_left(tf.gather(self._candidates, user), shown), axis=1)
        return ~tf.reduce_any(self.available(user, shown), axis=1)

    def step(self, state: LoggedState, item: tf.Tensor) -> tuple[LoggedState, Outcome]:
        """Show `item [N]`, which must be available, to each user."""
        reward = self.reward(state.user, item)
        liked = reward > 0
        moved = tf.concat([state.history[:, 1:], item[:, None]], axis=1)
        history = tf.where(liked[:, None], moved, state.history)  # [N, L]
        now = tf.range(self.config.episode_length) == state.step[:, None]  # [N, T]
        shown = tf.where(now, item[:, None], state.shown)
        terminal = self._is_over(state.user, shown)
        step = state.step + 1
        done = terminal | (step >= self.config.episode_length)
        outcome = Outcome(reward, history, shown, terminal, done)
        return LoggedState(state.user, step, history, shown), outcome

    def restart(self, state: LoggedState, done: tf.Tensor, user: tf.Tensor) -> LoggedState:
        """Start a session of `user [N]` wherever `done [N]`."""
        fresh = self.start(user)
        return LoggedState(
            *(
                tf.where(done if new.shape.rank == 1 else done[:, None], new, old)
                for new, old in zip(fresh, state, strict=True)
            )
        )

    def reward(self, user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        """[N] what `item [N]` pays users [N]: by their logged rating, else `config.unlogged`."""
        low, high = tf.gather(self._offsets, user), tf.gather(self._offsets, user + 1) - 1
        # Binary search by hand: XLA turns tf.searchsorted into a comparison with every rating.
        for _ in range(self._search_steps):
            middle = (low + high) // 2
            smaller = tf.gather(self._logged_item, middle) < item
            low = tf.where(smaller, tf.minimum(middle + 1, high), low)
            high = tf.where(smaller, high, middle)
        logged = tf.gather(self._logged_item, low) == item
        return tf.where(logged, tf.gather(self._logged_reward, low), self._unlogged(user, item))

    def _unlogged(self, user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        if self._predicted is None:
            return tf.fill(tf.shape(item), tf.constant(self.config.unlogged_reward, tf.float32))
        users, items, mean = self._predicted
        dot = tf.reduce_sum(tf.gather(users, user) * tf.gather(items, item), axis=1)
        return (tf.clip_by_value(mean + dot, 1, 5) - 3) / 2


def _mark(marks: tf.Tensor, items: tf.Tensor, value: bool) -> tf.Tensor:
    """Set `marks [N, I]` to `value` at `items [N, C]`."""
    rows = tf.broadcast_to(tf.range(tf.shape(items)[0])[:, None], tf.shape(items))
    where = tf.stack([rows, items], axis=2)  # [N, C, 2]
    return tf.tensor_scatter_nd_update(marks, where, tf.fill(tf.shape(items), value))


def _left(items: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
    """[B, C] bool: which of `items [B, C]` are neither padding nor in `shown [B, T]`."""
    was_shown = tf.reduce_any(items[:, :, None] == shown[:, None, :], axis=2)
    return (items != PADDING) & ~was_shown
