"""One logged session at a time as a Gymnasium environment, for agents from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import tensorflow as tf

from drrec.data.histories import items_of
from drrec.envs.logged import LoggedState

if TYPE_CHECKING:
    from drrec.envs.logged import LoggedEnvironment

Observation = dict[str, Any]


class LoggedSession(gymnasium.Env[Observation, np.ndarray]):
    """A `LoggedEnvironment` with N = 1: the same rewards, histories and ends.

    An action `[D]` in [−1, 1] shows the available item with the largest dot product. An observation
    is the user's vector `user [D]` and the liked items' vectors `history [L, D]`, the most recent
    last, zero where there is none yet. `info` says which user it is; after a step, also which
    `item` was shown (dense id) and the `rating` that moved the history or did not.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (Gymnasium's own attribute)

    def __init__(self, environment: LoggedEnvironment, user: np.ndarray, item: np.ndarray) -> None:
        """Play `environment` with the vectors `user [U, D]` and `item [I, D]`, row 0 zero."""
        self._environment = environment
        self._user = np.asarray(user, np.float32)
        self._item = np.asarray(item, np.float32)
        self._state: LoggedState | None = None
        dim = self._item.shape[1]
        self.action_space = gymnasium.spaces.Box(-1, 1, (dim,), np.float32)
        self.observation_space = gymnasium.spaces.Dict(
            user=_box(self._user, (dim,)),
            history=_box(self._item, (environment.state_size, dim)),
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start a session of a user drawn by `seed`, or by the generator as it stands."""
        super().reset(seed=seed)
        draw = tf.constant(self.np_random.integers(2**31, size=2))
        self._state = self._environment.start(self._environment.draw_users(1, draw))
        return self._observation(self._state), {"user": int(self._state.user[0])}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Show an item. `terminated`: none is left; `truncated`: the time limit came first.

        Raises:
            ResetNeeded: the session is over, or none was started.
        """
        if self._state is None:
            raise gymnasium.error.ResetNeeded("Expected a session under way. Call `reset` first.")
        before = self._state
        scores = tf.linalg.matvec(self._item, tf.constant(action, tf.float32))[None]  # [1, I]
        item = self._environment.choose(scores, before.user, before.shown)
        state, outcome = self._environment.step(before, item)
        self._state = None if outcome.done[0] else state
        reward, terminated = float(outcome.reward[0]), bool(outcome.terminal[0])
        rating = 2 * float(outcome.pleased[0]) + 3
        truncated = bool(outcome.done[0]) and not terminated
        info = {"user": int(state.user[0]), "item": int(item[0]), "rating": rating}
        return self._observation(state), reward, terminated, truncated, info

    def _observation(self, state: LoggedState) -> Observation:
        history = self._item[items_of(state.history[0].numpy())]  # [L, D]
        return {"user": self._user[int(state.user[0])].copy(), "history": history}


def _box(vectors: np.ndarray, shape: tuple[int, ...]) -> gymnasium.spaces.Box:
    bound = max(float(np.abs(vectors).max()), 1.0)
    return gymnasium.spaces.Box(-bound, bound, shape, np.float32)
