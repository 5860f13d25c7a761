"""How recommenders are asked for scores: in batches, of candidates, with histories."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import numpy as np

from drrec.data.histories import opening
from drrec.errors import InputError
from drrec.types import PADDING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from drrec.data.interactions import Interactions
    from drrec.types import Scorer

Score = TypeVar("Score", bound="Callable[..., np.ndarray]")

_BLOCK = 64
_BLOCKS_EACH = 2  # for each of K, from which on looking at blocks first is faster

MAX_SCORES = 2**23
"""Scores held in memory at once: users are scored in batches of about this size."""


def batches(users: np.ndarray, num_items: int) -> Iterator[np.ndarray]:
    """Cut `users [U']` so that [B, I] scores stay within `MAX_SCORES`."""
    size = max(1, MAX_SCORES // num_items)
    for start in range(0, len(users), size):
        yield users[start : start + size]


MAX_CANDIDATES = 2**18
"""Candidates scored at once: each has a vector in memory."""


def candidate_batches(users: np.ndarray, counts: np.ndarray) -> Iterator[np.ndarray]:
    """Cut `users [U']` so that [B, C] candidates stay within `MAX_CANDIDATES`.

    Args:
        users: dense ids.
        counts: [U'] candidates of each; C is the largest of a batch.
    """
    start, widest = 0, 0
    for place, count in enumerate(counts.tolist()):
        widest = max(widest, count)
        if place > start and widest * (place - start + 1) > MAX_CANDIDATES:
            yield users[start:place]
            start, widest = place, count
    if len(users):
        yield users[start:]


def products(
    vectors: np.ndarray, items: np.ndarray, candidates: np.ndarray | None = None
) -> np.ndarray:
    """Dot products of users' vectors [B, D] and items' [I, D].

    Args:
        vectors: of the users.
        items: of all items.
        candidates: [B, C] items; None is all.

    Returns:
        [B, C] or [B, I].
    """
    if candidates is None:
        return vectors @ items.T
    return np.einsum("bd,bcd->bc", vectors, items[candidates])


def in_batches(score: Score) -> Score:
    """Score candidates in batches of users: of a method that scores the catalogue to look some up.

    Its class keeps `_known`, as all `Recommender`s do once they are fitted.
    """

    @functools.wraps(score)
    def scored(
        self: Any, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        size = max(1, MAX_SCORES // len(self._known.items))
        if candidates is None or len(users) <= size:
            return score(self, users, histories, candidates)
        rows = (slice(start, start + size) for start in range(0, len(users), size))
        return np.concatenate(
            [score(self, users[each], histories[each], candidates[each]) for each in rows]
        )

    return cast("Score", scored)


def seen_items(
    offsets: np.ndarray, item: np.ndarray, users: np.ndarray, num_items: int
) -> np.ndarray:
    """[B, I] bool: items of users [B]; those of user u are `item[offsets[u] : offsets[u + 1]]`."""
    is_seen = np.zeros((len(users), num_items), bool)
    is_seen[seen_pairs(offsets, item, users)] = True
    return is_seen


def seen_pairs(
    offsets: np.ndarray, item: np.ndarray, users: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same as rows of `users [B]` and items, [n] each."""
    counts = offsets[users + 1] - offsets[users]
    row = np.repeat(np.arange(len(users)), counts)
    first = np.repeat(offsets[users] - counts.cumsum() + counts, counts)
    return row, item[first + np.arange(len(row))]


class TopItems(NamedTuple):
    """Items with their scores, row by row, best first."""

    row: np.ndarray  # [N] of the scores
    item: np.ndarray  # [N] int64
    score: np.ndarray  # [N]
    rank: np.ndarray  # [N] from 1


def top_items(scores: np.ndarray, k: int) -> TopItems:
    """The K items of highest score of each row [B, I], but padding and items at −inf.

    Ties are broken by item number. `scores` is written to.
    """
    scores[:, PADDING] = -np.inf
    if is_wide(scores.shape[1], k):
        row, item = candidates_by_block(scores, k)
    else:
        kept = min(k, scores.shape[1])
        least = -np.partition(-scores, kept - 1, axis=1)[:, kept - 1 : kept]  # [B, 1]
        row, item = np.nonzero((scores >= least) & (scores > -np.inf))  # with ties more than K
    value = scores[row, item]
    order = np.lexsort((item, -value, row))
    row, item, value = row[order], item[order], value[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row) + 1
    is_top = rank <= k
    return TopItems(row[is_top], item[is_top], value[is_top], rank[is_top])


def is_wide(num_items: int, k: int) -> bool:
    """Whether the top K of so many items are found by `candidates_by_block`."""
    return num_items >= _BLOCK * _BLOCKS_EACH * k


def candidates_by_block(
    scores: np.ndarray, k: int, tie: np.ndarray | float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and items of [B, I], among which are the top K of each row with their ties.

    The K-th best of the blocks' best is no more than the K-th best score, so only blocks that reach
    it are looked into. Scores `tie [B, 1]` apart are ties.
    """
    size, num_items = scores.shape
    whole = num_items // _BLOCK * _BLOCK
    blocks = scores[:, :whole].reshape(size, -1, _BLOCK)
    best = blocks.max(axis=2)  # [B, I / block]
    least = -np.partition(-best, k - 1, axis=1)[:, k - 1 : k] - tie  # [B, 1]
    row, block = np.nonzero((best >= least) & (best > -np.inf))
    inside = blocks[row, block]  # [n, block]
    at, place = np.nonzero((inside >= least[row]) & (inside > -np.inf))
    rest = scores[:, whole:]
    last_row, last = np.nonzero((rest >= least) & (rest > -np.inf))
    return (
        np.concatenate([row[at], last_row]),
        np.concatenate([block[at] * _BLOCK + place, whole + last]),
    )


def untaken(taken: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """[n] the items of rank [n], from 0, among those that are not in `taken [m]`, which is sorted.

    Examples:
        >>> import numpy as np
        >>> from drrec.scoring import untaken
        >>> untaken(np.array([0, 2, 3]), np.array([0, 1, 2])).tolist()
        [1, 4, 5]
    """
    # The r-th item that is free comes after all taken ones with at most r free below them.
    return rank + np.searchsorted(taken - np.arange(len(taken)), rank, side="right")


def openings(recommender: Scorer, log: Interactions, length: int) -> np.ndarray:
    """[U, L] histories of `length` at the end of a log, of the form that a recommender reads."""
    return opening(log, length, with_rewards=getattr(recommender, "reads_rewards", False))


def catalogue(train: Interactions, users: np.ndarray, *, mask_seen: bool) -> np.ndarray:
    """[B, I] bool: all items, or with `mask_seen` those that the user does not have in `train`."""
    is_candidate = np.ones((len(users), train.num_items), bool)
    is_candidate[:, PADDING] = False
    if mask_seen:
        is_candidate &= ~seen_items(train.offsets, train.item, users, train.num_items)
    return is_candidate


def candidate_scores(
    recommender: Scorer,
    users: np.ndarray,
    histories: np.ndarray,
    candidates: np.ndarray | None,
    is_candidate: np.ndarray,
) -> np.ndarray:
    """Scores of candidates; −inf for what is not a candidate.

    Args:
        recommender: a fitted recommender.
        users: [B] int32.
        histories: [B, L], of the form that the recommender reads.
        candidates: [B, C] int32, or None for the whole catalogue (then C = I).
        is_candidate: [B, C] bool, items to rank.

    Returns:
        [B, C] float.

    Raises:
        InputError: the shape is wrong, or a candidate's score is NaN or infinite.
    """
    scores = np.asarray(recommender.score(users, histories, candidates))
    name = type(recommender).__name__
    if scores.shape != is_candidate.shape:
        raise InputError(
            f"Expected scores of shape {is_candidate.shape} from {name}. "
            f"Received: {scores.shape}. Return one score for each candidate."
        )
    _check_finite(scores, is_candidate, name)
    return np.where(is_candidate, scores, -np.inf)


def catalogue_scores(
    recommender: Scorer,
    users: np.ndarray,
    histories: np.ndarray,
    barred: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """[B, I] scores of the whole catalogue, which may be written to.

    Args:
        recommender: a fitted recommender.
        users: [B] int32.
        histories: [B, L], of the form that the recommender reads.
        barred: rows of `users` and items, [n] each, that are no candidates.

    Returns:
        −inf for padding and what is barred; what is barred may have any score.

    Raises:
        InputError: as `candidate_scores`.
    """
    scores = np.array(recommender.score(users, histories))
    name = type(recommender).__name__
    if scores.ndim != 2 or len(scores) != len(users):
        raise InputError(
            f"Expected scores [{len(users)}, I] from {name}. Received: shape {scores.shape}. "
            "Return one score for each item of the catalogue."
        )
    for value in (0, -np.inf):
        scores[:, PADDING] = value
        if barred is not None:
            scores[barred] = value
        if value == 0:
            _check_finite(scores, None, name)
    return scores


def _check_finite(scores: np.ndarray, is_candidate: np.ndarray | None, name: str) -> None:
    is_finite = np.isfinite(scores)
    if not is_finite.all() and (is_candidate is None or not is_finite[is_candidate].all()):
        raise InputError(
            f"Expected finite scores from {name}. Received: NaN or infinity. "
            "Its training may have diverged: lower the learning rate and train again."
        )
