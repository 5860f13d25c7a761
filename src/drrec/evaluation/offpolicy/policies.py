"""Policies that draw what they show, so that each item has a probability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from drrec.errors import InputError
from drrec.evaluation.protocols.ranked import TIE
from drrec.scoring import candidate_scores

if TYPE_CHECKING:
    from drrec.types import Scorer


class StochasticPolicy(Protocol):
    """Whatever draws the next item for a user."""

    def probabilities(
        self, users: np.ndarray, histories: np.ndarray, is_candidate: np.ndarray
    ) -> np.ndarray:
        """[B] users, [B, L] histories, [B, I] bool -> [B, I] float64, rows sum to 1."""
        ...


class SoftmaxPolicy:
    """Draws by the softmax of a recommender's scores over the candidates.

    Scores are standardised over the candidates of each user first, so that a temperature means the
    same for all methods, whatever their scores are.

    Args:
        recommender: a fitted one.
        temperature: of the softmax; near 0 the best item is shown always.

    Raises:
        InputError: the temperature is not positive.
    """

    def __init__(self, recommender: Scorer, temperature: float = 1.0) -> None:
        if not 0 < temperature < np.inf:
            raise InputError(
                f"Expected a temperature above 0. Received: {temperature}. A small one, such as "
                "0.01, shows the best item nearly always."
            )
        self.recommender = recommender
        self.temperature = temperature

    def probabilities(
        self, users: np.ndarray, histories: np.ndarray, is_candidate: np.ndarray
    ) -> np.ndarray:
        """See `StochasticPolicy`.

        Raises:
            InputError: a score is not finite, or a user has no candidate.
        """
        scores = candidate_scores(self.recommender, users, histories, None, is_candidate)
        known = np.where(is_candidate, scores, 0.0).astype(np.float64)
        count = is_candidate.sum(axis=1, keepdims=True)
        mean = known.sum(axis=1, keepdims=True) / np.maximum(count, 1)
        centred = np.where(is_candidate, known - mean, 0.0)
        deviation = np.sqrt((centred**2).sum(axis=1, keepdims=True) / np.maximum(count, 1))
        # The same vector in two rows gives products that differ in the last bit: no preference.
        varies = deviation > TIE * np.abs(known).max(axis=1, keepdims=True)
        logits = np.divide(centred, deviation, out=np.zeros_like(centred), where=varies)
        return softmax(logits / self.temperature, is_candidate)


def softmax(logits: np.ndarray, is_candidate: np.ndarray) -> np.ndarray:
    """[B, I] float64 over the candidates, 0 elsewhere.

    Raises:
        InputError: a user has no candidate.
    """
    if not is_candidate.any(axis=1).all():
        raise InputError(
            "Expected an item to show to each user. Received: a user who has seen all. "
            "Shorten the sessions, or leave such users out."
        )
    logits = np.where(is_candidate, logits, -np.inf)
    weight = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)
