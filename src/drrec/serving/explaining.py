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
    from drrec.known import Newcomer
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


def amounts(recommender: Recommender, asked: Asked, items: np.ndarray) -> list[Amounts]:
    """What each of a user's items adds to the score of each of `items [K]`."""
    model = model_for(recommender, asked)
    user, history = np.array([asked.user], np.int32), asked.history[None]
    scores = _scores_of(model, user, history, items)[0]
    shares = model._shares(asked.user, items)
    found: list[Amounts | None] = [None] * len(items)
    if shares is not None:
        own, added, is_sum = shares
        found = [
            Amounts(float(scores[place]), "shares", own, added[:, place]) if is_sum[place] else None
            for place in range(len(items))
        ]
    if all(found):
        return [each for each in found if each]
    method, own, added = _left_out(recommender, model, asked, items, scores)
    return [
        each or Amounts(float(scores[place]), method, own, added[:, place])
        for place, each in enumerate(found)
    ]


def _left_out(
    recommender: Recommender,
    model: Recommender,
    asked: Asked,
    items: np.ndarray,
    scores: np.ndarray,
) -> tuple[Method, np.ndarray, np.ndarray]:
    """The method, what the user liked [n], and what scores [K] fall by without it, [n, K]."""
    nothing = np.zeros(0, np.int32), np.zeros((0, len(items)))
    somebody = asked.newcomer
    if somebody is None and not model.uses_history:
        return "none", *nothing
    happened = asked.events[asked.is_liked] if somebody else liked_of(asked.history[None])[0]
    liked = np.unique(happened[happened != PADDING])
    if not len(liked):
        return "leave_one_out", *nothing
    if somebody is not None:
        rest = _as_newcomer(recommender, asked, somebody, liked, items)
    else:
        rest = _scores_of(*model._leaving_out(asked.user, asked.history, liked), items)
    return "leave_one_out", liked, scores - rest


def _as_newcomer(
    recommender: Recommender,
    asked: Asked,
    somebody: Newcomer,
    liked: np.ndarray,
    items: np.ndarray,
) -> np.ndarray:
    """[n, K] scores as if one of `liked [n]` had not been shown at all."""
    kept = [asked.events != each for each in liked]
    parts = [(asked.events[rows], asked.is_liked[rows], asked.rewards[rows]) for rows in kept]
    known = recommender.known
    model = recommender._folded_in_without(somebody.log, somebody.liked, liked)
    if model is not None:
        start = np.zeros_like(asked.history)
        histories = np.stack([known.pushed(start, *part) for part in parts])
        return _scores_of(model, np.arange(len(liked), dtype=np.int32), histories, items)
    rest = []
    for part in parts:
        new = newcomer(known, *part)
        alone = recommender.for_newcomer(new)
        rest.append(_scores_of(alone, np.zeros(1, np.int32), new.known.history, items)[0])
    return np.array(rest)


def _scores_of(
    model: Recommender, users: np.ndarray, histories: np.ndarray, items: np.ndarray
) -> np.ndarray:
    """[B, K] float64."""
    answers = model._answers()
    if answers is not None:
        return (model._queries(users, histories) @ answers[items].T).astype(np.float64)
    return model._scored(users, histories)[:, items].astype(np.float64)
