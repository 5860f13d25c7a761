"""The best items of many queries, whatever the model is like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drrec.scoring import MAX_SCORES, top_items
from drrec.serving.retrieval import (
    Found,
    Wanted,
    by_row,
    check_retrieval,
    leave,
    searcher_over,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drrec.base import Recommender
    from drrec.serving.kept import Place
    from drrec.serving.queries import Asked
    from drrec.serving.retrieval import Retrieval, Searcher

_SAMPLED = 200
"""Users whose queries an index is tuned on."""


def searcher_of(
    recommender: Recommender, retrieval: Retrieval, place: Place | None = None
) -> Searcher | None:
    """Of a model whose scores are dot products; None for others.

    Raises:
        InputError: faiss is asked for and not installed.
    """
    check_retrieval(retrieval)
    items = recommender._answers()
    if items is None:
        return None
    known = recommender.known
    users = np.arange(0, len(known.users), max(1, len(known.users) // _SAMPLED), dtype=np.int32)

    def queries() -> np.ndarray:
        return recommender._queries(users, known.history[users])

    return searcher_over(items, queries, retrieval, place)


def answers(
    recommender: Recommender, searcher: Searcher | None, asked: Sequence[Asked], k: int
) -> list[Found]:
    """The top K of each query."""
    if searcher is not None:
        vectors = _vectors(recommender, asked)
        wanted = [
            Wanted(vector, each.hidden, each.allowed)
            for vector, each in zip(vectors, asked, strict=True)
        ]
        return searcher.search(wanted, k)
    found: list[Found] = []
    size = max(1, MAX_SCORES // len(recommender.known.items))
    for start in range(0, len(asked), size):
        part = asked[start : start + size]
        scores = _scores(recommender, part)
        for row, each in zip(scores, part, strict=True):
            leave(row, each.hidden, each.allowed)
        found += by_row(top_items(scores, k), len(part))
    return found


def model_for(recommender: Recommender, asked: Asked) -> Recommender:
    """The model itself, or of somebody new one with them as its only user."""
    return recommender.for_newcomer(asked.newcomer) if asked.newcomer else recommender


def _vectors(recommender: Recommender, asked: Sequence[Asked]) -> np.ndarray:
    """[B, D] whose products with the items are the scores."""
    known, new = _apart(asked)
    if known and not new:
        return recommender._queries(*_together(asked, known))
    rows = {
        row: model_for(recommender, asked[row])._queries(*_together(asked, [row]))[0] for row in new
    }
    if known:
        rows |= dict(zip(known, recommender._queries(*_together(asked, known)), strict=True))
    return np.array([rows[row] for row in range(len(asked))])


def _scores(recommender: Recommender, asked: Sequence[Asked]) -> np.ndarray:
    """[B, I]."""
    scores = np.empty((len(asked), len(recommender.known.items)), np.float32)
    known, new = _apart(asked)
    if known:
        scores[known] = recommender._scored(*_together(asked, known))
    for row in new:
        model = model_for(recommender, asked[row])
        scores[row] = model._scored(*_together(asked, [row]))[0]
    return scores


def _apart(asked: Sequence[Asked]) -> tuple[list[int], list[int]]:
    """Rows of users of the training log, and of others, each of whom has a model of their own."""
    new = [row for row, each in enumerate(asked) if each.newcomer is not None]
    return [row for row, each in enumerate(asked) if each.newcomer is None], new


def _together(asked: Sequence[Asked], rows: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """[B] users and [B, L] histories."""
    users = np.array([asked[row].user for row in rows], np.int32)
    return users, np.stack([asked[row].history for row in rows])
