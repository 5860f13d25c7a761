"""Recommender: the common interface of agents and baselines, in raw ids and data frames."""

from __future__ import annotations

import abc
import copy
import dataclasses
import inspect
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from drrec.data.dataset import Dataset
from drrec.data.histories import liked_of, without
from drrec.data.interactions import Interactions
from drrec.errors import InputError, NotFittedError, shown
from drrec.known import Known, newcomer
from drrec.saving import write_model
from drrec.scoring import batches, openings, top_items
from drrec.types import PADDING

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence

    import pandas as pd

    from drrec.known import Newcomer
    from drrec.scoring import TopItems


COLUMNS = ("user", "item", "score", "rank")
"""Columns of the data frame that `recommend` returns."""


class Recommender(abc.ABC):
    """Base class of agents and baselines.

    Constructor arguments are the settings; each is an attribute of the same name.

    Examples:
        >>> import drrec, pandas as pd
        >>> log = pd.DataFrame({"user": list("aabbbcc"), "item": list("xyxyzyz")})
        >>> model = drrec.ItemKNN(num_neighbours=2).fit(drrec.Dataset.from_pandas(log))
        >>> isinstance(model, drrec.Recommender), model.num_neighbours
        (True, 2)
        >>> model.recommend(["a"], k=1)["item"].tolist()
        ['z']
    """

    uses_history: bool = False
    """Whether scores depend on `histories`; if not, protocols score each user only once."""
    reads_rewards: bool = False
    """Whether `histories` hold every item shown with its reward, in place of liked items alone."""
    is_random: bool = False
    """Whether the fitted model depends on `seed`."""
    history_length: int = 10
    """L, the number of items in a history."""
    seed: int = 0

    _known: Known

    def fit(self, train: Dataset | Interactions) -> Self:
        """Fit on `train`.

        Args:
            train: a data set, or its interactions.

        Returns:
            The model itself.

        Raises:
            InputError: the log is too small to fit, or too large for memory.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aabbbcc"), "item": list("xyxyzyz")})
            >>> data = drrec.Dataset.from_pandas(log)
            >>> drrec.Popularity().fit(data).recommend(["a"])["item"].tolist()
            ['z']
        """
        log = interactions_of(train)
        self._fit(log)
        self._note(train)
        return self

    def _fit(self, train: Interactions) -> Any:
        """Fit on a log. Not needed by a class that overrides `fit`."""
        raise NotImplementedError

    @abc.abstractmethod
    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """Score candidates; higher is better.

        Takes dense ids, as protocols do; `recommend` takes raw ids.

        Args:
            users: [B] int32 dense user ids.
            histories: [B, L] int32 liked item ids, most recent last, left-padded with 0; with
                `reads_rewards`, int64 of all items shown, see `data.histories`.
            candidates: [B, C] int32 item ids, 0 = padding; None for the whole catalogue.

        Returns:
            [B, C] float32, or [B, I] if `candidates` is None. The score of padding is
            unspecified: the caller masks it.

        Examples:
            >>> import drrec, numpy as np, pandas as pd
            >>> log = pd.DataFrame({"user": list("aabbb"), "item": list("xyxyx")})
            >>> model = drrec.Popularity().fit(drrec.Dataset.from_pandas(log))
            >>> users, histories = np.array([0]), np.zeros((1, 10), np.int32)
            >>> model.score(users, histories, candidates=np.array([[1, 2]])).tolist()
            [[2.0, 2.0]]
        """

    def recommend(
        self,
        users: Iterable[Any],
        k: int = 10,
        *,
        filter_seen: bool = True,
        allow: Iterable[Any] | None = None,
        block: Iterable[Any] | None = None,
    ) -> pd.DataFrame:
        """Recommend the top K items to each user.

        Args:
            users: raw user ids, as in the training log.
            k: K, at least 1. A user with fewer candidates gets fewer items.
            filter_seen: exclude the items that the user has in the training log.
            allow: raw ids of the items to choose among; None is the whole catalogue.
            block: raw ids of items to exclude.

        Returns:
            Columns user, item, score, rank (from 1); best first, users in the given order.

        Raises:
            InputError: an id is unknown, K is below 1, or the model is not fitted.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aabbbcc"), "item": list("xyxyzyz")})
            >>> model = drrec.ItemKNN().fit(drrec.Dataset.from_pandas(log))
            >>> model.recommend(["a", "c"], k=1)
              user item     score  rank
            0    a    z  1.316497     1
            1    c    x  1.316497     1
            >>> model.recommend(["a"], filter_seen=False, block=["z"])["item"].tolist()
            ['x', 'y']
        """
        raw = [str(each) for each in ([users] if isinstance(users, str) else users)]
        known = self._known
        for each in raw:
            if each not in known.users:
                raise InputError(
                    f"Expected users of the training log. Received: {shown(each)}. Recommend to a "
                    "new user by recommend_for(liked=[...])."
                )
        dense = np.array([known.users.dense(each) for each in raw], np.int32)
        return self._listed(raw, dense, k, filter_seen, allow, block)

    def recommend_for(
        self,
        liked: Iterable[Any],
        k: int = 10,
        *,
        disliked: Iterable[Any] = (),
        allow: Iterable[Any] | None = None,
        block: Iterable[Any] | None = None,
    ) -> pd.DataFrame:
        """Recommend the top K items to a new user, given the items that they like.

        Args:
            liked: raw item ids, most recent last.
            k: K, at least 1.
            disliked: raw item ids.
            allow: as in `recommend`.
            block: as in `recommend`.

        Returns:
            Columns item, score, rank. Items of `liked` and `disliked` are excluded.

        Raises:
            InputError: an id is unknown, K is below 1, or the model is not fitted.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aabbbcc"), "item": list("xyxyzyz")})
            >>> model = drrec.ItemKNN().fit(drrec.Dataset.from_pandas(log))
            >>> model.recommend_for(liked=["x"], k=2)["item"].tolist()
            ['y', 'z']
        """
        good, bad = self._dense(liked), self._dense(disliked)
        items = np.concatenate([bad, good])
        is_liked = np.arange(len(items)) >= len(bad)
        model = self.for_newcomer(newcomer(self._known, items, is_liked))
        user = np.zeros(1, np.int32)
        return model._listed(["new"], user, k, True, allow, block).drop(columns="user")

    def similar_items(self, item: Any, k: int = 10) -> pd.DataFrame:
        """Find the K items most similar to an item.

        Args:
            item: raw item id.
            k: K, at least 1.

        Returns:
            Columns item, score, rank. The score is the cosine of item vectors. A model without
            item vectors recommends to a new user who likes the item.

        Raises:
            InputError: the id is unknown, K is below 1, or the model is not fitted.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aabbbcc"), "item": list("xyxyzyz")})
            >>> model = drrec.ItemKNN().fit(drrec.Dataset.from_pandas(log))
            >>> model.similar_items("x", k=1)["item"].tolist()
            ['y']
        """
        import pandas as pd

        dense = int(self._dense([item])[0])
        cosine = self.cosines(dense)
        if cosine is None:
            return self.recommend_for([item], k)
        top = top_items(cosine[None], checked_k(k))
        items = self._known.items.raw[top.item].astype(object)
        return pd.DataFrame(
            {"item": items, "score": top.score.astype(np.float64), "rank": top.rank}
        )

    def cosines(self, item: int) -> np.ndarray | None:
        """[I] cosines of the vectors of items with that of a dense id, itself at −inf.

        None for a model without item vectors.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aabbbcc"), "item": list("xyxyzyz")})
            >>> drrec.ItemKNN().fit(drrec.Dataset.from_pandas(log)).cosines(1) is None
            True
        """
        vectors = self._item_vectors()
        if vectors is None:
            return None
        length = np.linalg.norm(vectors, axis=1)
        cosine = vectors @ vectors[item] / np.maximum(length * length[item], 1e-12)
        return np.where(np.arange(len(vectors)) == item, -np.inf, cosine)

    @property
    def known(self) -> Known:
        """Id maps, titles, seen items and histories of the training log.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aabb"), "item": list("xyxy")})
            >>> drrec.Popularity().fit(drrec.Dataset.from_pandas(log)).known.users.raw.tolist()
            ['a', 'b']
        """
        return self._known

    @property
    def users(self) -> list[str]:
        """Raw ids of the users of the training log.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aabb"), "item": list("xyxy")})
            >>> drrec.Popularity().fit(drrec.Dataset.from_pandas(log)).users
            ['a', 'b']
        """
        return self._known.users.raw.tolist()

    def liked_by(self, user: Any) -> list[str]:
        """Raw ids of the last L items that a user liked, most recent first.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aabbbcc"), "item": list("xyxyzyz")})
            >>> model = drrec.ItemKNN().fit(drrec.Dataset.from_pandas(log))
            >>> model.liked_by("b")
            ['z', 'y', 'x']
        """
        known = self._known
        history = liked_of(known.history[[known.users.dense(str(user))]])[0]
        return [str(known.items.raw[item]) for item in history[::-1] if item != PADDING]

    def titles_of(self, items: Iterable[Any]) -> dict[str, str]:
        """Titles by raw item id, "" where unknown.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": ["ann", "ann"], "item": [7, 8]})
            >>> data = drrec.Dataset.from_pandas(log, titles={7: "Seven"})
            >>> drrec.Popularity().fit(data).titles_of(["7", "8"])
            {'7': 'Seven', '8': ''}
        """
        known = self._known
        return {str(raw): str(known.titles[known.items.dense(str(raw))]) for raw in items}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the model to one file, which `drrec.load` reads without further input.

        Raises:
            InputError: the model is not fitted, or its class is not registered.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aabbbcc"), "item": list("xyxyzyz")})
            >>> model = drrec.ItemKNN().fit(drrec.Dataset.from_pandas(log))
            >>> model.save("item_knn.drrec")
            >>> drrec.load("item_knn.drrec").recommend(["a"])["item"].tolist()
            ['z']
        """
        write_model(path, self)

    def note_seen(self, log: Interactions) -> None:
        """Set the interactions that `filter_seen` excludes, in place of the training log's.

        Args:
            log: interactions with the ids of the training log.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aaaa"), "item": list("wxyz")})
            >>> data = drrec.Dataset.from_pandas(log)
            >>> model = drrec.Popularity().fit(data.split("leave_one_out")[0])
            >>> len(model.recommend(["a"]))
            1
            >>> model.note_seen(data.interactions)
            >>> len(model.recommend(["a"]))
            0
        """
        self._known = dataclasses.replace(self._known, offsets=log.offsets, item=log.item)

    def settings(self) -> dict[str, Any]:
        """Constructor arguments by name, as plain values.

        Examples:
            >>> import drrec
            >>> drrec.EASE(l2=50.0).settings()
            {'l2': 50.0, 'max_memory_gb': 8.0, 'seed': 0}
        """
        names = inspect.signature(type(self)).parameters
        return {name: getattr(self, name) for name in names}

    def state(self) -> dict[str, Any]:
        """Fitted attributes by name: what `save` stores beside the settings.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aab"), "item": list("xyx")})
            >>> model = drrec.Popularity().fit(drrec.Dataset.from_pandas(log))
            >>> model.state()["_score"].tolist()
            [0.0, 2.0, 1.0]
        """
        kept = set(self.settings())
        self._known  # noqa: B018 (says so where nothing was learned)
        return {name: value for name, value in self.__dict__.items() if name not in kept}

    def restore(self, state: dict[str, Any]) -> Self:
        """Set fitted attributes, as `state` returns them.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aab"), "item": list("xyy")})
            >>> model = drrec.Popularity().fit(drrec.Dataset.from_pandas(log))
            >>> drrec.Popularity().restore(model.state()).recommend(["a"], filter_seen=False)
              user item  score  rank
            0    a    y    2.0     1
            1    a    x    1.0     2
        """
        self.__dict__.update(state)
        return self

    def check(self) -> None:
        """See that a model that was read from a file can be used.

        Raises:
            Exception: of any kind; it cannot.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aab"), "item": list("xyy")})
            >>> drrec.Popularity().fit(drrec.Dataset.from_pandas(log)).check()
        """
        self._known.check()
        users = np.array([0, len(self._known.users) - 1], np.int32)
        for _ in self._top(users, 1, self._allowed(None, None), filter_seen=False):
            pass

    def for_newcomer(self, somebody: Newcomer) -> Self:
        """The same model with somebody new as its only user, of dense id 0.

        Examples:
            >>> import drrec, numpy as np, pandas as pd
            >>> from drrec.known import newcomer
            >>> log = pd.DataFrame({"user": list("aabbbcc"), "item": list("xyxyzyz")})
            >>> model = drrec.ItemKNN().fit(drrec.Dataset.from_pandas(log))
            >>> new = newcomer(model._known, np.array([1]), np.array([True]))
            >>> model.for_newcomer(new).users
            ['new']
        """
        model = self._folded_in(somebody.log, somebody.liked)
        model._known = somebody.known
        return model

    def _folded_in(self, log: Interactions, liked: np.ndarray) -> Self:
        """The same model with the one user of `log`, who liked `liked`, as its only user."""
        return copy.copy(self)

    def _shares(
        self, user: int, items: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """What the user's items add to the scores of `items [K]`; None if no score is such a sum.

        Returns:
            The user's items [n], what they add [n, K], and whether it makes the score, [K] bool.
        """
        return None

    def _leaving_out(
        self, user: int, history: np.ndarray, items: np.ndarray
    ) -> tuple[Recommender, np.ndarray, np.ndarray]:
        """A model, users [n] and histories [n, L]: as if one of `items [n]` had not been shown."""
        histories = np.stack([without(history, item) for item in items])
        return self, np.full(len(items), user, np.int32), histories

    def _folded_in_without(
        self, log: Interactions, liked: np.ndarray, items: np.ndarray
    ) -> Self | None:
        """As `_folded_in`, with n users: to each, one of `items [n]` had not been shown.

        None where each needs a model of their own.
        """
        return None

    def _queries(self, users: np.ndarray, histories: np.ndarray) -> np.ndarray:
        """[B, D] vectors whose products with `_answers` are the scores of `_scored`."""
        raise NotImplementedError

    def _answers(self) -> np.ndarray | None:
        """[I, D] vectors of items, see `_queries`; None where scores are not products."""
        return None

    def _item_vectors(self) -> np.ndarray | None:
        """[I, D] vectors whose cosine is the similarity of items; None if there are none."""
        return None

    def _note(self, train: Dataset | Interactions) -> None:
        log = interactions_of(train)
        titles = train.titles if isinstance(train, Dataset) else np.full(log.num_items, "")
        self._known = Known.of(log, titles, openings(self, log, self.history_length))

    def _dense(self, raw: Iterable[Any]) -> np.ndarray:
        given = [raw] if isinstance(raw, str) else raw
        items = [self._known.items.dense(str(each)) for each in given]
        if len(set(items)) < len(items):
            raise InputError(f"Expected each item once. Received: {list(map(str, given))}.")
        return np.array(items, np.int32)

    def _listed(
        self,
        names: Sequence[str],
        users: np.ndarray,
        k: int,
        filter_seen: bool,
        allow: Iterable[Any] | None,
        block: Iterable[Any] | None,
    ) -> pd.DataFrame:
        import pandas as pd  # here: it takes half a second, which serving does without

        may, raw = self._allowed(allow, block), self._known.items.raw
        parts = [pd.DataFrame(columns=list(COLUMNS))]
        done = 0
        for size, top in self._top(users, checked_k(k), may, filter_seen=filter_seen):
            columns = {
                "user": np.array(names[done : done + size], object)[top.row],
                "item": raw[top.item].astype(object),
                "score": top.score.astype(np.float64),
                "rank": top.rank,
            }
            parts.append(pd.DataFrame(columns))
            done += size
        return pd.concat(parts[1:] or parts, ignore_index=True)

    def _allowed(self, allow: Iterable[Any] | None, block: Iterable[Any] | None) -> np.ndarray:
        """[I] bool: which items may be recommended, seen or not."""
        num_items = len(self._known.items)
        may = np.ones(num_items, bool) if allow is None else np.zeros(num_items, bool)
        if allow is not None:
            may[self._dense(allow)] = True
        if block is not None:
            may[self._dense(block)] = False
        may[PADDING] = False
        return may

    def _top(
        self, users: np.ndarray, k: int, may: np.ndarray, *, filter_seen: bool
    ) -> Iterator[tuple[int, TopItems]]:
        """How many users a batch has, and their top K of the items that `may [I]` be shown."""
        known = self._known
        for batch in batches(users, len(may)):
            scores = self._scored(batch, known.history[batch])
            scores[:, ~may] = -np.inf
            if filter_seen:
                scores[known.seen(batch)] = -np.inf
            yield len(batch), top_items(scores, k)

    def _scored(self, users: np.ndarray, histories: np.ndarray) -> np.ndarray:
        """[B, I] scores, which may be written to; items at −inf are never recommended."""
        return np.array(self.score(users, histories))

    def __getattr__(self, name: str) -> Any:
        """Called for attributes that do not exist: those of a model that is not fitted."""
        if name.startswith("_") and not name.startswith("__"):
            raise NotFittedError(
                f"Expected a fitted {type(self).__name__}. Received: one that is not fitted. "
                "Call fit(train) first."
            )
        raise AttributeError(f"{shown(type(self).__name__)} object has no attribute {shown(name)}")


def interactions_of(data: Dataset | Interactions) -> Interactions:
    """The interactions of a data set, or the interactions given.

    Raises:
        InputError: `data` is neither.
    """
    if isinstance(data, Dataset):
        return data.interactions
    if isinstance(data, Interactions):
        return data
    raise InputError(
        f"Expected a drrec.Dataset. Received: {type(data).__name__}. Make one of a table by "
        "drrec.Dataset.from_pandas(frame)."
    )


def checked_k(k: int) -> int:
    """K, if it is a whole number of at least 1.

    Raises:
        InputError: it is not.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InputError(f"`k` must be a whole number of at least 1. Received: {shown(k)}.")
    return int(k)
