"""What estimates are made from: logged steps, and how likely two policies were to take them."""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import numpy as np

from drrec.errors import InputError

SUPPORTED = 0.1
"""A step is supported if the target policy takes it at least so many times as often as the log."""


class Features(NamedTuple):
    """What a step's value is regressed on, in the state as it was: [N, T, F] float64 both."""

    logged: np.ndarray
    """φ(s, a) of the logged item a."""
    target: np.ndarray
    """Σ_a π(a | s) φ(s, a): what the target policy would have taken."""


@dataclasses.dataclass(frozen=True, eq=False)
class LoggedSteps:
    """N sessions of T steps at most."""

    reward: np.ndarray  # [N, T]
    behaviour: np.ndarray  # [N, T] in (0, 1], how likely the logged item was to be shown
    target: np.ndarray  # [N, T] in [0, 1], likewise by the policy that is asked about
    is_step: np.ndarray  # [N, T] bool, False after the end of a session
    unit: np.ndarray  # [N] int, sessions of one unit (a user) are drawn together

    def __post_init__(self) -> None:
        shape = self.reward.shape
        alike = {shape, self.behaviour.shape, self.target.shape, self.is_step.shape}
        if len(shape) != 2 or len(alike) > 1 or self.unit.shape != shape[:1] or not len(self.unit):
            raise ValueError(
                "Expected rewards, probabilities and steps [N, T] and units [N]. Received: "
                f"{sorted(alike)} and {self.unit.shape}."
            )
        behaviour, target = self.behaviour[self.is_step], self.target[self.is_step]
        if not ((behaviour > 0) & (behaviour <= 1) & (target >= 0) & (target <= 1)).all():
            raise InputError(
                "Expected probabilities of logged items above 0 and up to 1. Received: others. An "
                "item that was shown had a probability: log that of the policy which showed it."
            )

    @functools.cached_property
    def ratio(self) -> np.ndarray:
        """[N, T] target by behaviour, 1 after the end."""
        behaviour = np.where(self.is_step, self.behaviour, 1.0)
        return np.where(self.is_step, self.target, 1.0) / behaviour

    @functools.cached_property
    def weight(self) -> np.ndarray:
        """[N, T] the product of the ratios up to each step."""
        return np.cumprod(self.ratio, axis=1)

    @property
    def effective_sample(self) -> float:
        """How many sessions of equal weight would be as good (Kish 1965): (Σw)² / Σw²."""
        last = self.weight[:, -1]
        square = float((last**2).sum())
        return float(last.sum() ** 2 / square) if square > 0 else 0.0

    @property
    def overlap(self) -> float:
        """The share of the logged steps that the target policy supports."""
        return float((self.ratio[self.is_step] >= SUPPORTED).mean())

    @property
    def mean_weight(self) -> float:
        """The mean weight of a session: expected to be 1 if the propensities are right."""
        return float(self.weight[:, -1].mean())

    @property
    def max_weight(self) -> float:
        """The largest weight of a session, as a share of all."""
        last = self.weight[:, -1]
        return float(last.max() / last.sum()) if last.sum() > 0 else float("nan")
