"""Settings of the environments; apart from them, so that `--help` need not load TensorFlow."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from drrec.errors import InputError
from drrec.ranges import check_ranges
from drrec.registry import check_choices

_TERMS = ("rating", "novelty", "diversity", "return")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RewardConfig:
    """Reward of a shown item: a weighted sum of terms."""

    reward_rating: float = 1.0
    """Weight of the rating, (rating - 3) / 2, or of the simulated user's reward. [>= 0]"""
    reward_novelty: float = 0.0
    """Weight of novelty: 0 for an item that all users have, 1 for one user or none. [>= 0]"""
    reward_diversity: float = 0.0
    """Weight of diversity, the mean distance to the items of the history, 0 to 1. [>= 0]"""
    reward_return: float = 0.0
    """Weight of user return: 1 if the user came back after the visit of that rating, else 0.
    Needs timestamps. [>= 0]"""
    return_days: float = 7.0
    """Days within which a user must come back to count as returned. [days, > 0]"""

    def __post_init__(self) -> None:
        given = {f"reward_{term}": getattr(self, f"reward_{term}") for term in _TERMS}
        if any(not 0 <= weight < math.inf for weight in given.values()) or not self.weights:
            named = ", ".join(f"{name} {weight:g}" for name, weight in given.items())
            raise InputError(
                "Expected weights of rewards that are finite and at least 0, one of them above 0. "
                f"Received: {named}."
            )
        check_ranges(self, {"(0, inf)": ("return_days",)})

    @property
    def weights(self) -> dict[str, float]:
        """By term, without those that weigh nothing."""
        found = {term: getattr(self, f"reward_{term}") for term in _TERMS}
        return {term: weight for term, weight in found.items() if weight}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProposalConfig:
    """Candidates that the agent re-ranks."""

    propose: str = ""
    """Baseline that generates the candidates; '' is none: the agent ranks the whole catalogue."""
    propose_k: int = 100
    """K, number of candidates for each user. [1 to 10^6]"""

    def __post_init__(self) -> None:
        check_ranges(self, {"[1, 1000000]": ("propose_k",)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoggedConfig:
    """Sessions: the environment that the agent is trained in."""

    sessions: Literal["logged", "living", "simulated"] = "logged"
    """logged: replay the ratings of the log;
    living: the true user model of a synthetic data set, such as demo;
    simulated: users simulated by models of the training ratings, see --simulated-by.
    In living and simulated sessions any item may be shown, and --unlogged has no effect."""
    simulated_by: Literal["factors", "neighbours", "both"] = "factors"
    """Models of the simulated users.
    factors: matrix factorisation; neighbours: similar items; both: the mean of the two.
    The last two take a number for each user and item, so 2^29 of them at most."""
    boredom: float = 0.0
    """Reward penalty on the next items of the same genre, with --sessions simulated.
    Items without genres are clustered by embedding. [reward, >= 0]"""
    unlogged: Literal["never", "constant", "model"] = "never"
    """Reward of items that the user has not rated.
    never: such items are not shown; constant: --unlogged-reward;
    model: predicted by matrix factorisation on the training ratings."""
    unlogged_reward: float = -0.5
    """Reward of unrated items with --unlogged constant. [reward, -1 to 1]"""
    state_size: int = 10
    """L, number of last items in the state: liked ones, or all shown, as the state module reads.
    [items, 1 to 10,000]"""
    episode_length: int = 30
    """T, number of items shown in a session. [steps, 1 to 10,000]"""
    rewards: RewardConfig = dataclasses.field(default_factory=RewardConfig)
    proposals: ProposalConfig = dataclasses.field(default_factory=ProposalConfig)

    def __post_init__(self) -> None:
        check_choices(self)
        check_ranges(
            self,
            {
                "[-1, 1]": ("unlogged_reward",),
                "[0, inf)": ("boredom",),
                "[1, 10000]": ("episode_length", "state_size"),
            },
        )
        if self.proposals.propose and (self.sessions, self.unlogged) == ("logged", "never"):
            raise InputError(
                "Expected --unlogged constant or model with --propose, so that sessions may show "
                "what is proposed. Received: never."
            )
