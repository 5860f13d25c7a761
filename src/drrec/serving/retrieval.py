"""The best items of a large catalogue by dot product: exactly, or by an index of faiss.

Exact search reads every vector. An index reads those of the clusters nearest to the query, takes
more items than are asked for, and ranks these by their exact products, so that scores are always
exact and only an item can be missed. How many clusters are read is raised until recall is reached
on a sample of queries.
"""

from __future__ import annotations

import itertools
import logging
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, get_args

import numpy as np

from drrec.errors import InputError, shown
from drrec.scoring import MAX_SCORES, top_items
from drrec.serving.kept import Built, Place, kept_or_built
from drrec.types import PADDING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drrec.scoring import TopItems

logger = logging.getLogger(__name__)

Retrieval = Literal["auto", "exact", "faiss"]

MOST_EXACT = 200_000
"""Items up to which `auto` is exact."""

LEAST_RECALL = 0.98
"""Recall@10 that an index has to reach, on average over queries."""

_JUDGED = 10  # K of the recall
_TAKEN = 10  # times K items are ranked exactly
_TRAINED_ON = 64  # vectors for each cluster
_LEAST_SHARE = 64  # at first one cluster in so many is read


class Wanted(NamedTuple):
    """One query."""

    vector: np.ndarray  # [D]
    hidden: np.ndarray  # [m] items that may not be found
    allowed: np.ndarray | None  # [n] the only items that may be; None is all


class Found(NamedTuple):
    """Items, best first, ties by item number."""

    item: np.ndarray  # [K'] K' <= K
    score: np.ndarray  # [K'] exact products


class Searcher(Protocol):
    """Finds the items of highest product."""

    def search(self, wanted: Sequence[Wanted], k: int) -> list[Found]:
        """The top K of each query."""
        ...


class Exact:
    """Products with all vectors, and a partial sort."""

    def __init__(self, items: np.ndarray) -> None:
        """`items` [I, D] float32; row 0 is padding."""
        self.items = items

    def search(self, wanted: Sequence[Wanted], k: int) -> list[Found]:
        """The top K of each query."""
        found: list[Found] = []
        size = max(1, MAX_SCORES // len(self.items))
        for start in range(0, len(wanted), size):
            part = wanted[start : start + size]
            scores = np.stack([each.vector for each in part]) @ self.items.T  # [B, I]
            for row, each in zip(scores, part, strict=True):
                leave(row, each.hidden, each.allowed)
            found += by_row(top_items(scores, k), len(part))
        return found


class Faiss:
    """Vectors in clusters, in 8 bits for each coordinate, of which the nearest are read."""

    def __init__(
        self,
        items: np.ndarray,
        queries: Callable[[], np.ndarray],
        recall: float = LEAST_RECALL,
        place: Place | None = None,
    ) -> None:
        """Build the index and read as many clusters as `recall` takes, or take the one kept.

        Args:
            items: [I, D] float32; row 0 is padding.
            queries: makes [n, D] a sample, on which recall is measured.
            recall: the least recall@10, on average.
            place: where the index is kept; None keeps nothing.

        Raises:
            InputError: faiss is not installed.
        """
        self._exact, self.items = Exact(items), items
        start = time.perf_counter()

        def build() -> Built:
            self._index = _trained(items)
            return Built(self._index, self._tuned(queries(), recall))

        _check_installed(items)
        self._index, self.recall = kept_or_built(place, build)
        logger.info(
            "faiss: %s items in %s clusters, %d read; recall@%d %.4f; %.1f s",
            *(f"{len(items) - 1:,}", f"{self._index.nlist:,}", self._index.nprobe),
            *(_JUDGED, self.recall, time.perf_counter() - start),
        )

    def search(self, wanted: Sequence[Wanted], k: int) -> list[Found]:
        """The top K of each query."""
        found = []
        for each in wanted:
            if each.allowed is not None:
                found.append(self._ranked(each.allowed, each, k))
                continue
            hidden = np.unique(each.hidden)
            found.append(self._ranked(self._near(each.vector, _TAKEN * k + len(hidden)), each, k))
            if len(found[-1].item) < min(k, len(self.items) - 1 - len(hidden)):
                found[-1] = self._exact.search([each], k)[0]
        return found

    def _near(self, vector: np.ndarray, count: int) -> np.ndarray:
        """[n] items, n <= count."""
        count = min(count, self._index.ntotal)
        near = self._index.search(np.ascontiguousarray(vector[None]), count)[1][0]
        return near[near >= 0] + 1  # the index has no padding

    def _ranked(self, items: np.ndarray, wanted: Wanted, k: int) -> Found:
        """The top K of a few items by their exact products."""
        left = np.setdiff1d(items, np.append(wanted.hidden, PADDING))
        scores = self.items[left] @ wanted.vector
        best = np.lexsort((left, -scores))[:k]
        return Found(left[best], scores[best])

    def _tuned(self, queries: np.ndarray, recall: float) -> float:
        """Double the number of clusters that are read until recall is reached; returns recall."""
        nothing = np.zeros(0, np.int32)
        asked = [Wanted(vector, nothing, None) for vector in queries]
        truth = [set(found.item.tolist()) for found in self._exact.search(asked, _JUDGED)]
        self._index.nprobe = max(1, self._index.nlist // _LEAST_SHARE)
        while True:
            found = self.search(asked, _JUDGED)
            shares = [
                len(own & set(each.item.tolist())) / max(len(own), 1)
                for own, each in zip(truth, found, strict=True)
            ]
            reached = float(np.mean(shares)) if shares else 1.0
            if reached >= recall or self._index.nprobe >= self._index.nlist:
                return reached
            self._index.nprobe = min(2 * self._index.nprobe, self._index.nlist)


class Appended:
    """Another searcher, and beside it items that are searched exactly."""

    def __init__(self, base: Searcher, first: int, block: np.ndarray) -> None:
        """`block` [n, D] float32 of the items from number `first` on."""
        self._base, self._first, self._block = base, first, block

    def search(self, wanted: Sequence[Wanted], k: int) -> list[Found]:
        """The top K of each query."""
        found = self._base.search([self._of_base(each) for each in wanted], k)
        return [self._joined(one, each, k) for one, each in zip(found, wanted, strict=True)]

    def _of_base(self, wanted: Wanted) -> Wanted:
        hidden, allowed = wanted.hidden, wanted.allowed
        if allowed is not None:
            allowed = allowed[allowed < self._first]
        return Wanted(wanted.vector, hidden[hidden < self._first], allowed)

    def _joined(self, found: Found, wanted: Wanted, k: int) -> Found:
        own = np.arange(self._first, self._first + len(self._block), dtype=found.item.dtype)
        scores = self._block @ wanted.vector
        is_out = np.isin(own, wanted.hidden)
        if wanted.allowed is not None:
            is_out |= ~np.isin(own, wanted.allowed)
        item = np.concatenate([found.item, own[~is_out]])
        score = np.concatenate([found.score, scores[~is_out]])
        best = np.lexsort((item, -score))[:k]
        return Found(item[best], score[best])


def searcher_over(
    items: np.ndarray,
    queries: Callable[[], np.ndarray],
    retrieval: Retrieval,
    place: Place | None = None,
) -> Searcher:
    """Exact search, or an index.

    Args:
        items: [I, D] float32; row 0 is padding.
        queries: makes [n, D] a sample of queries, for an index.
        retrieval: `auto` is exact up to `MOST_EXACT` items, and where faiss is not installed.
        place: where an index is kept.

    Raises:
        InputError: faiss is asked for and not installed.
    """
    if retrieval == "exact" or (retrieval == "auto" and len(items) <= MOST_EXACT):
        return Exact(items)
    try:
        return Faiss(items, queries, place=place)
    except _NoFaiss as error:
        if retrieval == "faiss":
            raise
        logger.warning("%s Until then all %s items are read.", error, f"{len(items) - 1:,}")
        return Exact(items)


def by_row(top: TopItems, num_rows: int) -> list[Found]:
    """The same, row by row."""
    ends = np.searchsorted(top.row, np.arange(num_rows + 1)).tolist()
    return [
        Found(top.item[first:end], top.score[first:end]) for first, end in itertools.pairwise(ends)
    ]


def check_retrieval(retrieval: str) -> None:
    """See that there is such a way to search.

    Raises:
        InputError: there is not.
    """
    if retrieval not in get_args(Retrieval):
        words = " or ".join(get_args(Retrieval))
        raise InputError(f"Expected `retrieval` to be {words}. Received: {shown(retrieval)}.")


def leave(scores: np.ndarray, hidden: np.ndarray, allowed: np.ndarray | None) -> None:
    """Set scores [I] to −inf where an item may not be shown."""
    if allowed is not None:
        is_out = np.ones(len(scores), bool)
        is_out[allowed] = False
        scores[is_out] = -np.inf
    scores[hidden] = -np.inf
    scores[PADDING] = -np.inf


class _NoFaiss(InputError):
    """faiss is not installed."""


def _check_installed(items: np.ndarray) -> None:
    logging.getLogger("faiss.loader").setLevel(logging.WARNING)  # says which builds it tries
    try:
        import faiss
    except ImportError as error:
        raise _NoFaiss(
            f"Expected faiss, to search {len(items) - 1:,} items. Received: none. Install it: "
            "pip install faiss-cpu."
        ) from error
    del faiss


def _trained(items: np.ndarray) -> Any:
    import faiss

    count = len(items) - 1
    clusters = 1 << max(0, round(np.log2(max(count, 1)) / 2))  # about the square root
    form = f"IVF{clusters},SQ8"
    index = faiss.index_factory(items.shape[1], form, faiss.METRIC_INNER_PRODUCT)
    random = np.random.default_rng(0)
    sample = 1 + random.choice(count, min(count, _TRAINED_ON * clusters), replace=False)
    index.train(np.ascontiguousarray(items[sample], np.float32))
    index.add(np.ascontiguousarray(items[1:], np.float32))
    return index
