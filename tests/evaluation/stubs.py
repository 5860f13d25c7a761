"""Recommenders whose every answer is known beforehand, and logs written by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

import numpy as np

from drrec.data.interactions import Interactions
from drrec.evaluation.protocols.candidates import PerUser
from drrec.evaluation.result import Evaluation, tidied

Score = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class Stub:
    """Scores by a function of `users [B, 1]`, `histories [B, L]` and `items [B, C]`."""

    def __init__(
        self,
        score: Score,
        num_items: int,
        *,
        uses_history: bool = False,
        reads_rewards: bool = False,
    ) -> None:
        self.uses_history = uses_history
        self.reads_rewards = reads_rewards
        self.calls: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]] = []
        self._score = score
        self._num_items = num_items

    def fit(self, train: Interactions) -> Self:
        return self

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        self.calls.append((users, histories, candidates))
        items = np.arange(self._num_items)[None] if candidates is None else candidates
        values = self._score(users[:, None], histories, items)
        return np.broadcast_to(values, (len(users), items.shape[1])).astype(np.float32)


def log(rows: Iterable[tuple[int, int, float]]) -> Interactions:
    """Rows of (user, item, rating) in the order of time, raw ids as numbers."""
    users, items, ratings = zip(*rows, strict=True)
    return Interactions.from_raw(
        np.array(users).astype(str),
        np.array(items).astype(str),
        np.array(ratings, np.float32),
        np.arange(len(users)),
    )


def planted(found: dict[tuple[str, str, int], PerUser], **rest: Any) -> Evaluation:
    """What was measured, from each user's metrics by protocol, method and seed."""
    size = 1 + max(each.users.max() for each in found.values())
    raw = np.array([f"u{number:03}" for number in range(size)])
    lists = {key: each.lists for key, each in found.items() if each.lists is not None}
    return Evaluation(tidied(found, raw), **({"lists": lists} | rest))
