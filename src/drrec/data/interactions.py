"""Ratings as four aligned arrays with dense ids, checked once, at the edge."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import logging
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import pandas as pd

from drrec.data.ids import IdMap, numbered
from drrec.data.readers.checks import are_sound
from drrec.errors import InputError
from drrec.types import PADDING

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

Repeats = Literal["drop", "keep"]
"""Of rows with the same user and item: keep the last in time, or all."""

LIKED_ABOVE = 3.0
"""A rating above this is a positive reward: (rating − 3) / 2 > 0."""


@dataclasses.dataclass(frozen=True, eq=False)
class Interactions:
    """Ratings sorted by user, then time, ties by original row.

    Users are 0 … U−1; items are 1 … I−1, because item 0 is padding.
    """

    user: np.ndarray  # [R] int32
    item: np.ndarray  # [R] int32
    rating: np.ndarray  # [R] float32
    timestamp: np.ndarray  # [R] int64, seconds since 1970
    users: IdMap
    items: IdMap
    session: np.ndarray | None = None  # [R] int32, of each row its sitting; None where unknown

    @classmethod
    def from_raw(
        cls,
        user: Sequence[str] | np.ndarray,
        item: Sequence[str] | np.ndarray,
        rating: np.ndarray,
        timestamp: np.ndarray,
    ) -> Self:
        """Check, number the ids, keep the last of repeated (user, item) pairs, and sort.

        Dense ids follow the order of the raw ones (numbers first, as numbers), so that they do
        not depend on the order of the rows.

        Args:
            user: [R] raw ids.
            item: [R] raw ids.
            rating: [R] finite.
            timestamp: [R] whole seconds since 1970, before the year 2200.

        Raises:
            InputError: there are no rows, an id is empty, or a value is out of range.
        """
        return cls.with_source_rows(user, item, rating, timestamp)[0]

    @classmethod
    def with_source_rows(
        cls,
        user: Sequence[str] | np.ndarray,
        item: Sequence[str] | np.ndarray,
        rating: np.ndarray,
        timestamp: np.ndarray,
        session: np.ndarray | None = None,
        repeats: Repeats = "drop",
    ) -> tuple[Self, np.ndarray]:
        """What `from_raw` gives, and [R] which of the raw rows each of its rows was.

        Args:
            user: as in `from_raw`.
            item: as in `from_raw`.
            rating: as in `from_raw`.
            timestamp: as in `from_raw`.
            session: [R] raw ids; the same one of another user is another session.
            repeats: whether to keep all rows of a repeated (user, item) pair.
        """
        if not are_sound(np.asarray(rating), np.asarray(timestamp)):
            raise InputError(
                "Expected finite ratings, and timestamps in whole seconds from 1970 to the year "
                "2200. Received: a value that is not. Mend or remove its row."
            )
        users, user_codes = numbered(user, "user")
        items, item_codes = numbered(item, "item")
        columns = {
            "user": user_codes,
            "item": item_codes + np.int32(1),
            "rating": np.asarray(rating, np.float32),
            "timestamp": np.asarray(timestamp, np.int64),
        }
        rows = np.lexsort((columns["timestamp"], columns["user"]))  # stable
        pair = columns["user"].astype(np.int64) * (len(items) + 1) + columns["item"]
        repeated = pd.Series(pair[rows]).duplicated(keep="last").to_numpy()
        if repeated.any() and repeats == "drop":
            logger.warning("%d repeated (user, item) rows: kept the last of each", repeated.sum())
            rows = rows[~repeated]
        interactions = cls(
            **{name: column[rows] for name, column in columns.items()},
            users=IdMap(users, "user"),
            items=IdMap(np.concatenate([np.array([""], dtype=items.dtype), items]), "item"),
            session=None if session is None else _sessions(columns["user"][rows], session[rows]),
        )
        return interactions, rows

    def __len__(self) -> int:
        """R, the number of ratings."""
        return len(self.user)

    @property
    def num_users(self) -> int:
        """U."""
        return len(self.users)

    @property
    def num_items(self) -> int:
        """I, padding included."""
        return len(self.items)

    @functools.cached_property
    def offsets(self) -> np.ndarray:
        """[U + 1]: user u's rows are `offsets[u]` … `offsets[u + 1] − 1`."""
        return np.searchsorted(self.user, np.arange(self.num_users + 1))

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of every rating with its raw ids, in canonical order; sessions do not count."""
        digest = hashlib.sha256()
        for ids in (self.users, self.items):
            digest.update(json.dumps(ids.raw.tolist()).encode())
        for column in (self.user, self.item, self.rating, self.timestamp):
            digest.update(column.astype(column.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()

    @functools.cached_property
    def has_repeats(self) -> bool:
        """Whether a user has an item more than once, so that what was seen may come again."""
        pair = self.user * np.int64(self.num_items) + self.item
        return len(np.unique(pair)) < len(pair)

    def where(self, keep: np.ndarray) -> Interactions:
        """The rows for which `keep [R]` is True, with the same id maps."""
        return dataclasses.replace(
            self,
            user=self.user[keep],
            item=self.item[keep],
            rating=self.rating[keep],
            timestamp=self.timestamp[keep],
            session=None if self.session is None else self.session[keep],
        )

    def past_and_future(self, share: float) -> tuple[Interactions, Interactions]:
        """The earlier 1 − `share` of each user's ratings, rounded up, and the later rest."""
        future = self.is_future(share)
        return self.where(~future), self.where(future)

    def is_future(self, share: float) -> np.ndarray:
        """[R] bool: whether a row is of the later `share` of its user's ratings, rounded down."""
        # 0.29 × 100 is 28.999999999999996 in floats and must be 29.
        return self.position_from_end() < np.floor(share * self.counts()[self.user] + 1e-9)

    def position_from_end(self) -> np.ndarray:
        """[R]: 0 for each user's last row, 1 for the one before."""
        return self.offsets[self.user + 1] - 1 - np.arange(len(self))

    def counts(self) -> np.ndarray:
        """[U] ratings of each user."""
        return np.diff(self.offsets)

    @property
    def liked(self) -> np.ndarray:
        """[R] bool: which ratings are a positive reward."""
        return self.rating > LIKED_ABOVE

    def liked_histories(self, length: int) -> np.ndarray:
        """[U, L] each user's last L liked items, most recent last, left-padded with 0."""
        return self.where(self.liked).histories(length)

    def histories(self, length: int) -> np.ndarray:
        """[U, L] each user's last L items, most recent last, left-padded with 0."""
        back = self.position_from_end()
        recent = back < length
        histories = np.full((self.num_users, length), PADDING, np.int32)
        histories[self.user[recent], length - 1 - back[recent]] = self.item[recent]
        return histories


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A named log of ratings, and what its items are called."""

    name: str
    interactions: Interactions
    titles: np.ndarray  # [I] str, "" where unknown
    genres: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0, "<U1"))
    # [I] str, joined by ", ", "" where unknown, as all of them are where none are given
    parts: np.ndarray | None = None  # [R] int8 of `data.strategies`, where its owner divided it

    def __post_init__(self) -> None:
        if not self.genres.size:
            object.__setattr__(self, "genres", np.full(self.interactions.num_items, ""))


def _sessions(user: np.ndarray, session: np.ndarray) -> np.ndarray:
    codes, found = pd.factorize(session)
    return pd.factorize(user * np.int64(len(found) + 1) + codes)[0].astype(np.int32)
