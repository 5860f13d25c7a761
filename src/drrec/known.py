"""Known: what a fitted model keeps of its training log."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Self

import numpy as np

from drrec.data.histories import items_of
from drrec.scoring import seen_items

if TYPE_CHECKING:
    from drrec.data.ids import IdMap
    from drrec.data.interactions import Interactions


@dataclasses.dataclass(frozen=True, eq=False)
class Known:
    """What a fitted model keeps of its training log: id maps, titles, seen items and histories."""

    users: IdMap
    items: IdMap
    titles: np.ndarray  # [I] str, "" where unknown
    offsets: np.ndarray  # [U + 1]: user u has seen item[offsets[u] : offsets[u + 1]]
    item: np.ndarray  # [R] int32
    history: np.ndarray  # [U, L], the last liked items, or items with rewards; `data.histories`
    liked_rating: float  # mean rating of liked items, given to what a new user likes
    disliked_rating: float

    @classmethod
    def of(cls, log: Interactions, titles: np.ndarray, history: np.ndarray) -> Self:
        """From a log, with histories [U, L] of either form."""
        liked, rest = log.rating[log.liked], log.rating[~log.liked]
        return cls(
            users=log.users,
            items=log.items,
            titles=titles,
            offsets=log.offsets,
            item=log.item,
            history=history,
            liked_rating=float((liked if len(liked) else log.rating).mean()),
            disliked_rating=float((rest if len(rest) else log.rating).mean()),
        )

    def check(self) -> None:
        """See that all parts are of one log, where they were read from a file.

        Raises:
            ValueError: they are not.
        """
        for raw in (self.users.raw, self.items.raw, self.titles):
            if raw.ndim != 1 or not all(isinstance(each, str) for each in raw.tolist()):
                raise ValueError("ids or titles that are no text")
        num_users, num_items = len(self.users), len(self.items)
        ids = {"seen items": self.item, "histories": items_of(self.history)}
        shapes = (self.titles.shape, self.offsets.shape, self.item.ndim, self.history.shape[:-1])
        if shapes != ((num_items,), (num_users + 1,), 1, (num_users,)):
            raise ValueError(f"parts of other sizes: {shapes}")
        for name, array in (ids | {"offsets": self.offsets}).items():
            most = len(self.item) if name == "offsets" else num_items - 1
            is_whole = array.dtype.kind in "iu"
            if not is_whole or (array.size and not 0 <= array.min() <= array.max() <= most):
                raise ValueError(f"{name} out of range")
        if (np.diff(self.offsets) < 0).any() or self.offsets[-1] != len(self.item):
            raise ValueError("offsets that are not in order")

    def seen(self, users: np.ndarray, num_items: int) -> np.ndarray:
        """[B, I] bool: which items users [B] have seen."""
        return seen_items(self.offsets, self.item, users, num_items)
