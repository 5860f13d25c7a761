"""A trained policy in NumPy, and the agent around it."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from drrec.agents.acting import ActingRecommender
from drrec.agents.settings import Settings
from drrec.embeddings.table import Prior
from drrec.errors import InputError
from drrec.registry import STATES, agent_config
from drrec.serving.networks import anchored_actor, plain_actor
from drrec.serving.states import NUMPY_STATES, StateForm, described

if TYPE_CHECKING:
    from drrec.agents.config import AgentConfig

_USERS_AT_ONCE = 1024
_ACTORS = {"anchored": anchored_actor, "plain": plain_actor}


@dataclasses.dataclass(frozen=True, eq=False)
class NumPyPolicy:
    """`agents.policy.Policy` without TensorFlow: state -> action, and score(i) = i·a."""

    user: np.ndarray  # [U, D] float32
    item: np.ndarray  # [I, D] float32, row 0 zero
    state_weights: list[np.ndarray]
    actor_weights: list[np.ndarray]
    state: StateForm
    form: str
    uses_history: bool = True

    @classmethod
    def of(
        cls,
        config: AgentConfig,
        user: np.ndarray,
        item: np.ndarray,
        weights: dict[str, np.ndarray],
    ) -> Self:
        """From what `Policy.weights` gave."""
        state = NUMPY_STATES[STATES.path_of(config.state)]
        parts = {
            name: [weights[f"{name}/{n}"] for n in range(len(weights)) if f"{name}/{n}" in weights]
            for name in ("state", "actor")
        }
        return cls(user, item, parts["state"], parts["actor"], state, config.form)

    @property
    def reads_rewards(self) -> bool:
        """Whether histories hold every item shown with its reward."""
        return self.state.reads_rewards

    @functools.cached_property
    def prior(self) -> Prior:
        """Of somebody new."""
        return Prior.of(self.user)

    def actions(self, users: np.ndarray, histories: np.ndarray) -> np.ndarray:
        """[B], [B, L] -> [B, D] in [−1, 1]."""
        actions = np.empty((len(users), self.item.shape[1]), np.float32)
        for start in range(0, len(users), _USERS_AT_ONCE):
            rows = slice(start, start + _USERS_AT_ONCE)
            user = self.user[users[rows]]
            history = described(self.item, histories[rows])
            state = self.state.encode(self.state_weights, user, history)
            actions[rows] = _ACTORS[self.form](self.actor_weights, state, user)
        return actions

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """[B], [B, L], [B, C] or None -> [B, C] or [B, I]."""
        action = self.actions(users, histories)
        if candidates is None:
            return action @ self.item.T
        with np.errstate(invalid="ignore"):  # BLAS says "invalid" of finite numbers now and then
            return (self.item[candidates] @ action[:, :, None])[:, :, 0]


class NumPyAgent(ActingRecommender):
    """A saved agent that recommends without TensorFlow; `algorithm` is set by a subclass."""

    algorithm: ClassVar[str]

    def __init__(self, *, seed: int = 0, **settings: Any) -> None:
        """As the agent's own."""
        config = agent_config(self.algorithm)
        self.setup = Settings.of(config, seed, settings)
        self.seed = seed
        self.history_length = self.setup.environment.state_size
        form = NUMPY_STATES[STATES.path_of(self.setup.agent.state)]
        self.reads_rewards = form.reads_rewards

    def settings(self) -> dict[str, Any]:
        """Constructor arguments by name, as plain values."""
        return Settings.flat(self.setup)

    def restore(self, state: dict[str, Any]) -> Self:
        """Set fitted attributes, as the agent's `state` returned them.

        Raises:
            InputError: settings and weights are not of one run.
        """
        user, item = state["user_vectors"], state["item_vectors"]
        try:
            self._policy = NumPyPolicy.of(self.setup.agent, user, item, state["weights"])
            self._policy.actions(
                np.zeros(1, np.int32), state["known"].history[:1]
            )  # shapes that do not fit are found here
        except (IndexError, TypeError, ValueError) as error:
            raise InputError(
                "Expected weights that fit the settings. Received: others. The settings and the "
                "weights are not of one run."
            ) from error
        self._restore_rest(state)
        return self
