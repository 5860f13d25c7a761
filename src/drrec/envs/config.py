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
    """What a shown item pays: the sum of its terms, each times its weight."""

    reward_rating: float = 1.0
    """Weight of the rating, (rating - 3) / 2, or what the session pays in its place. [>= 0]"""
    reward_novelty: float = 0.0
    """Weight of how few users have the item, from 0 for all to 1 for one. [>= 0]"""
    reward_diversity: float = 0.0
    """Weight of how far the item is from what the user liked last, from 0 to 1. [>= 0]"""
    reward_return: float = 0.0
    """Weight of whether the user came back after the visit in which they took the item, 0 or 1;
    for logs with time stamps. [>= 0]"""
    return_days: float = 7.0
    """Who comes back within so many days has come back. [days, > 0]"""

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
    """Who proposes what the agent chooses among."""

    propose: str = ""
    """A baseline that proposes items, which the agent re-ranks; by default it ranks all."""
    propose_k: int = 100
    """K, how many are proposed to each user. [>= 1]"""

    def __post_init__(self) -> None:
        check_ranges(self, {"[1, inf)": ("propose_k",)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoggedConfig:
    """What a session shows and pays."""

    sessions: Literal["logged", "living", "simulated"] = "logged"
    """Who plays: users as the ratings tell of them; as they are in the hidden world of a made-up
    data set, which `demo` has; or as a factorisation of the training ratings makes them up. Those
    two take any item, so --unlogged is moot."""
    boredom: float = 0.0
    """With --sessions simulated: what an item takes from the next ones of its kind, which is the
    main genre where there are genres. [reward, >= 0]"""
    unlogged: Literal["never", "constant", "model"] = "never"
    """What an item pays that the user has not rated: such items are never shown; a constant
    (--unlogged-reward); or what matrix factorisation on the training ratings predicts."""
    unlogged_reward: float = -0.5
    """The constant that --unlogged constant pays. [reward, -1 to 1]"""
    state_size: int = 10
    """L, the last liked items that make the state. [items, >= 1]"""
    episode_length: int = 30
    """T, items shown in a session before the next begins. [steps, >= 1]"""
    rewards: RewardConfig = dataclasses.field(default_factory=RewardConfig)
    proposals: ProposalConfig = dataclasses.field(default_factory=ProposalConfig)

    def __post_init__(self) -> None:
        check_choices(self)
        check_ranges(
            self,
            {
                "[-1, 1]": ("unlogged_reward",),
                "[0, inf)": ("boredom",),
                "[1, inf)": ("episode_length", "state_size"),
            },
        )
        if self.proposals.propose and (self.sessions, self.unlogged) == ("logged", "never"):
            raise InputError(
                "Expected --unlogged constant or model with --propose, so that sessions may show "
                "what is proposed. Received: never."
            )
