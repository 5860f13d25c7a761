"""Which of a user's items speak for a recommendation, in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from drrec.data.histories import liked_of
from drrec.known import newcomer
from drrec.serving.answering import model_for
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.base import Recommender
    from drrec.serving.queries import Asked

Method = Literal["shares", "leave_one_out", "none"]


class Reason(NamedTuple):
    """What one of the user's items adds to a score."""

    item: str
    title: str
    amount: float


class Explanation(NamedTuple):
    """Reasons for one item, the largest first.

    `shares`: the score is a sum over the user's items, and an amount is one summand, so that all
    of them add up to the score. `leave_one_out`: an amount is by how much the score falls if the
    user had not liked that item; amounts need not add up. `none`: the score is not made of the
    user's items, or the model keeps none of them.
    """

    item: str
    score: float
    method: Method
    reasons: list[Reason]


class Amounts(NamedTuple):
    """Of a user's items, in dense ids."""

    score: float
    method: Method
    items: np.ndarray  # [n]
    amount: np.ndarray  # [n]


def amounts(recommender: Recommender, asked: Asked, item: int) -> Amounts:
    """What each of a user's items adds to the score of `item`."""
    model = model_for(recommender, asked)
    user, history = np.array([asked.user], np.int32), asked.history[None]
    score = float(_score_of(model, user, history, item)[0])
    if (shares := model._shares(asked.user, item)) is not None:
        return Amounts(score, "shares", *shares)
    if asked.newcomer is not None:
        return _as_newcomer(recommender, asked, item, score)
    if not model.uses_history:
        return Amounts(score, "none", np.zeros(0, np.int32), np.zeros(0))
    liked = np.unique(liked_of(history)[0])
    liked = liked[liked != PADDING]
    if not len(liked):
        return Amounts(score, "leave_one_out", liked, np.zeros(0))
    other = model._leaving_out(asked.user, asked.history, liked)
    return Amounts(score, "leave_one_out", liked, score - _score_of(*other, item))


def _as_newcomer(recommender: Recommender, asked: Asked, item: int, score: float) -> Amounts:
    """By answering as if one item had not been shown at all."""
    liked = np.unique(asked.events[asked.is_liked])
    rest = []
    for left_out in liked:
        kept = asked.events != left_out
        parts = asked.events[kept], asked.is_liked[kept], asked.rewards[kept]
        new = newcomer(recommender.known, *parts)
        model = recommender.for_newcomer(new)
        rest.append(_score_of(model, np.zeros(1, np.int32), new.known.history, item)[0])
    return Amounts(score, "leave_one_out", liked, score - np.array(rest))


def _score_of(
    model: Recommender, users: np.ndarray, histories: np.ndarray, item: int
) -> np.ndarray:
    """[B] float64."""
    answers = model._answers()
    if answers is not None:
        return (model._queries(users, histories) @ answers[item]).astype(np.float64)
    return model._scored(users, histories)[:, item].astype(np.float64)
