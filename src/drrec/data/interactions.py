"""Interactions: a rating log as aligned arrays with dense ids; Dataset: a log with item titles."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from drrec.data.ids import IdMap, as_text, numbered
from drrec.data.readers.checks import are_sound
from drrec.errors import InputError
from drrec.types import PADDING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


logger = logging.getLogger(__name__)

Repeats = Literal["drop", "keep"]
"""Rows with the same user and item: `drop` all but the latest, or `keep` all."""

LIKED_ABOVE = 3.0
"""A rating above this is a positive reward: (rating − 3) / 2 > 0."""


@dataclasses.dataclass(frozen=True, eq=False)
class Interactions:
    """A rating log, from 1 to 5 stars, sorted by user, then time; ties keep their order.

    Dense user ids are 0 … U−1; dense item ids are 1 … I−1, because item 0 is padding.

    Examples:
        >>> import drrec, pandas as pd
        >>> log = pd.DataFrame({"user": ["bob", "ann"], "item": [8, 7]})
        >>> log = drrec.Dataset.from_pandas(log).interactions
        >>> len(log), log.users.raw.tolist(), log.item.tolist()
        (2, ['ann', 'bob'], [1, 2])
    """

    user: np.ndarray  # [R] int32
    item: np.ndarray  # [R] int32
    rating: np.ndarray  # [R] float32
    timestamp: np.ndarray  # [R] int64, seconds since 1970
    users: IdMap
    items: IdMap
    session: np.ndarray | None = None  # [R] int32 session of each row; None if unknown
    weight: np.ndarray | None = None  # [R] float32 confidence in each row, of mean 1; None: 1

    @classmethod
    def from_raw(
        cls,
        user: Sequence[str] | np.ndarray,
        item: Sequence[str] | np.ndarray,
        rating: np.ndarray,
        timestamp: np.ndarray,
    ) -> Self:
        """Build from raw columns: check, map ids, drop repeated (user, item) pairs, and sort.

        Of repeated pairs the latest row is kept. Dense ids follow the order of the raw ids
        (numbers first, in numeric order) and do not depend on the order of the rows.

        Args:
            user: [R] raw ids.
            item: [R] raw ids.
            rating: [R] finite.
            timestamp: [R] whole seconds since 1970, before the year 2200.

        Raises:
            InputError: there are no rows, an id is empty, or a value is out of range.

        Examples:
            >>> import drrec, numpy as np
            >>> rating, time = np.array([5.0, 2.0]), np.array([1, 0])
            >>> drrec.Interactions.from_raw(["ann", "ann"], ["x", "y"], rating, time).rating
            array([2., 5.], dtype=float32)
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
        weight: np.ndarray | None = None,
    ) -> tuple[Self, np.ndarray]:
        """Build as `from_raw` does; also return [R] the input row of each row.

        Args:
            user: as in `from_raw`.
            item: as in `from_raw`.
            rating: as in `from_raw`.
            timestamp: as in `from_raw`.
            session: [R] raw session ids, distinguished by user.
            repeats: rows with the same user and item: `drop` all but the latest, or `keep` all.
            weight: [R] confidence in each row.

        Examples:
            >>> import drrec, numpy as np
            >>> rating, time = np.array([5.0, 2.0]), np.array([1, 0])
            >>> make = drrec.Interactions.with_source_rows
            >>> make(["ann", "ann"], ["x", "y"], rating, time)[1].tolist()
            [1, 0]
        """
        import pandas as pd  # takes half a second, and a model that is read needs none

        if not are_sound(np.asarray(rating), np.asarray(timestamp)):
            raise InputError(
                "Expected finite ratings, and timestamps in whole seconds from 1970 to the year "
                "2200. Received: a value that is not. Correct or remove its row."
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
            items=IdMap(np.concatenate([as_text([""]), items]), "item"),
            session=None if session is None else _sessions(columns["user"][rows], session[rows]),
            weight=None if weight is None else weight[rows],
        )
        return interactions, rows

    def __len__(self) -> int:
        """R, the number of ratings."""
        return len(self.user)

    @property
    def num_users(self) -> int:
        """U, the number of users."""
        return len(self.users)

    @property
    def num_items(self) -> int:
        """I, the number of items, padding included."""
        return len(self.items)

    @functools.cached_property
    def offsets(self) -> np.ndarray:
        """[U + 1]: user u's rows are `offsets[u]` … `offsets[u + 1] − 1`."""
        return np.searchsorted(self.user, np.arange(self.num_users + 1))

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all ratings with their raw ids, in canonical order; sessions are left out."""
        digest = hashlib.sha256()
        for ids in (self.users, self.items):
            digest.update(json.dumps(ids.raw.tolist()).encode())
        for column in (self.user, self.item, self.rating, self.timestamp):
            digest.update(np.ascontiguousarray(column, column.dtype.newbyteorder("<")).data)
        if self.weight is not None:
            digest.update(self.weight.astype("<f4").tobytes())
        return digest.hexdigest()

    @functools.cached_property
    def has_repeats(self) -> bool:
        """Whether a user has an item more than once."""
        pair = self.user * np.int64(self.num_items) + self.item
        return len(np.unique(pair)) < len(pair)

    def where(self, keep: np.ndarray) -> Interactions:
        """The rows where `keep [R]` is True, with the same id maps.

        Examples:
            >>> import drrec, numpy as np
            >>> rating = np.array([5, 1, 4, 2])
            >>> log = drrec.Interactions.from_raw(list("aaab"), list("xyzz"), rating, np.arange(4))
            >>> log.where(log.rating > 3).item.tolist()
            [1, 3]
        """
        return dataclasses.replace(
            self,
            user=self.user[keep],
            item=self.item[keep],
            rating=self.rating[keep],
            timestamp=self.timestamp[keep],
            session=None if self.session is None else self.session[keep],
            weight=None if self.weight is None else self.weight[keep],
        )

    def past_and_future(self, share: float) -> tuple[Interactions, Interactions]:
        """Divide each user's rows: the latest `share`, rounded down, is the future.

        Examples:
            >>> import drrec, numpy as np
            >>> rating = np.array([5, 1, 4, 2])
            >>> log = drrec.Interactions.from_raw(list("aaab"), list("xyzz"), rating, np.arange(4))
            >>> past, future = log.past_and_future(0.4)
            >>> len(past), len(future)
            (3, 1)
        """
        future = self.is_future(share)
        return self.where(~future), self.where(future)

    def is_future(self, share: float) -> np.ndarray:
        """[R] bool: whether a row is in the latest `share` of its user's rows, rounded down.

        Examples:
            >>> import drrec, numpy as np
            >>> rating = np.array([5, 1, 4, 2])
            >>> log = drrec.Interactions.from_raw(list("aaab"), list("xyzz"), rating, np.arange(4))
            >>> log.is_future(0.4).tolist()
            [False, False, True, False]
        """
        # 0.29 × 100 is 28.999999999999996 in floats and must be 29.
        return self.position_from_end() < np.floor(share * self.counts()[self.user] + 1e-9)

    def position_from_end(self) -> np.ndarray:
        """[R]: 0 for each user's last row, 1 for the one before.

        Examples:
            >>> import drrec, numpy as np
            >>> rating = np.array([5, 1, 4, 2])
            >>> log = drrec.Interactions.from_raw(list("aaab"), list("xyzz"), rating, np.arange(4))
            >>> log.position_from_end().tolist()
            [2, 1, 0, 0]
        """
        return self.offsets[self.user + 1] - 1 - np.arange(len(self))

    def counts(self) -> np.ndarray:
        """[U] the number of rows of each user.

        Examples:
            >>> import drrec, numpy as np
            >>> rating = np.array([5, 1, 4, 2])
            >>> log = drrec.Interactions.from_raw(list("aaab"), list("xyzz"), rating, np.arange(4))
            >>> log.counts().tolist()
            [3, 1]
        """
        return np.diff(self.offsets)

    @property
    def liked(self) -> np.ndarray:
        """[R] bool: whether the rating is above 3, a positive reward."""
        return self.rating > LIKED_ABOVE

    def liked_histories(self, length: int) -> np.ndarray:
        """[U, L] each user's last L liked items, most recent last, left-padded with 0.

        Examples:
            >>> import drrec, numpy as np
            >>> rating = np.array([5, 1, 4, 2])
            >>> log = drrec.Interactions.from_raw(list("aaab"), list("xyzz"), rating, np.arange(4))
            >>> log.liked_histories(3).tolist()
            [[0, 1, 3], [0, 0, 0]]
        """
        return self.where(self.liked).histories(length)

    def histories(self, length: int, entries: np.ndarray | None = None) -> np.ndarray:
        """[U, L] each user's last L items, most recent last, left-padded with 0.

        Args:
            length: L.
            entries: [R] what to take of each row in place of its item.

        Examples:
            >>> import drrec, numpy as np
            >>> rating = np.array([5, 1, 4, 2])
            >>> log = drrec.Interactions.from_raw(list("aaab"), list("xyzz"), rating, np.arange(4))
            >>> log.histories(2).tolist()
            [[2, 3], [0, 3]]
        """
        back = self.position_from_end()
        recent = back < length
        entries = self.item if entries is None else entries
        histories = np.full((self.num_users, length), PADDING, entries.dtype)
        histories[self.user[recent], length - 1 - back[recent]] = entries[recent]
        return histories


def by_users(log: Interactions, most: int = 1 << 20) -> Iterator[Interactions]:
    """Some users at a time, `most` rows or one user's: views, whose users are numbered from 0."""
    names = ("user", "item", "rating", "timestamp", "session", "weight")
    for start, end in spans(log.user, most):
        columns = {n: c[start:end] for n in names if (c := getattr(log, n)) is not None}
        first = int(columns["user"][0])
        columns["user"] = columns["user"] - np.int32(first)
        users = IdMap(log.users.raw[first : int(log.user[end - 1]) + 1], "user")
        yield dataclasses.replace(log, users=users, **columns)


def spans(user: np.ndarray, most: int) -> Iterator[tuple[int, int]]:
    """From where to where some users' rows go, `most` rows or one user's, in sorted users [R].

    Examples:
        >>> import numpy as np
        >>> from drrec.data.interactions import spans
        >>> list(spans(np.array([0, 0, 0, 1, 2, 2]), 2)), list(spans(np.array([0, 1, 1, 2]), 3))
        ([(0, 3), (3, 4), (4, 6)], [(0, 3), (3, 4)])
    """
    start = 0
    while start < len(user):
        last = user[min(start + most, len(user)) - 1]
        end = int(np.searchsorted(user, last, side="right"))
        if end - start > most:  # not all of the last user's rows
            before = int(np.searchsorted(user, last))
            end = before if before > start else end
        yield start, end
        start = end


def joined(first: Interactions | None, second: Interactions) -> Interactions:
    """The rows of both, which share their id maps, sorted again."""
    if first is None:
        return second
    names = ["user", "item", "rating", "timestamp"]
    if first.weight is not None and second.weight is not None:
        names.append("weight")
    columns = {n: np.concatenate([getattr(first, n), getattr(second, n)]) for n in names}
    order = np.lexsort((columns["timestamp"], columns["user"]))
    kept: dict[str, Any] = {n: column[order] for n, column in columns.items()}
    return dataclasses.replace(second, session=None, **kept)


def _sessions(user: np.ndarray, session: np.ndarray) -> np.ndarray:
    import pandas as pd

    codes, found = pd.factorize(session)
    return pd.factorize(user * np.int64(len(found) + 1) + codes)[0].astype(np.int32)
