"""Known: what a fitted model keeps of its training log."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from drrec.data.histories import entries, items_of
from drrec.data.ids import as_text
from drrec.data.interactions import LIKED_ABOVE, Interactions
from drrec.scoring import seen_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drrec.data.ids import IdMap


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

    def with_items(self, raw: Sequence[str], titles: Sequence[str]) -> Self:
        """The same log with items that nobody has rated, after the others."""
        ids = dataclasses.replace(self.items, raw=np.append(self.items.raw, as_text(raw)))
        called = np.append(self.titles, as_text(titles))
        return dataclasses.replace(self, items=ids, titles=called)

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

    def seen(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of `users [B]` and the items that they have seen, [n] each."""
        return seen_pairs(self.offsets, self.item, users)

    @property
    def like(self) -> float:
        """The reward of a like: a log may hold no dislike, whose size is taken to be the same."""
        return abs(self.liked_rating - LIKED_ABOVE) / 2

    def pushed(
        self, history: np.ndarray, items: np.ndarray, is_liked: np.ndarray, rewards: np.ndarray
    ) -> np.ndarray:
        """[L] a history of either form after `items [n]` were shown, in this order."""
        has_rewards = history.dtype == np.int64
        new = entries(items, rewards) if has_rewards else items[is_liked].astype(history.dtype)
        return np.concatenate([history, new])[len(new) :]


class Newcomer(NamedTuple):
    """Somebody new, as a log with one user."""

    log: Interactions
    liked: np.ndarray  # [n] int32 items
    known: Known  # of this user alone


def newcomer(
    known: Known, items: np.ndarray, is_liked: np.ndarray, rewards: np.ndarray | None = None
) -> Newcomer:
    """Somebody who was shown `items [n]` in this order and liked some of them.

    Args:
        known: of the model that is asked.
        items: [n] int32; of an item that comes again the last time counts.
        is_liked: [n] bool.
        rewards: [n] what they paid; by default a like's mean reward, and as much less.
    """
    if rewards is None:
        rewards = np.where(is_liked, known.like, -known.like)
    start = np.zeros(known.history.shape[1], known.history.dtype)
    history = known.pushed(start, items, is_liked, rewards)
    last = np.sort(len(items) - 1 - np.unique(items[::-1], return_index=True)[1])
    items, is_liked = items[last].astype(np.int32), is_liked[last]
    ratings = np.where(is_liked, known.liked_rating, known.disliked_rating)
    log = Interactions(
        user=np.zeros(len(items), np.int32),
        item=items,
        rating=ratings.astype(np.float32),
        timestamp=np.arange(len(items)),
        users=dataclasses.replace(known.users, raw=np.array(["new"])),
        items=known.items,
    )
    own = dataclasses.replace(
        known,
        users=log.users,
        offsets=np.array([0, len(items)]),
        item=items,
        history=history[None],
    )
    return Newcomer(log, items[is_liked], own)
