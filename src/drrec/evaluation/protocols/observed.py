"""The `observed` protocol: sessions whose feedback is looked up, and whose users tire and leave."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from drrec.data.interactions import LIKED_ABOVE
from drrec.errors import InputError
from drrec.evaluation.lists import genre_vectors
from drrec.evaluation.protocols.candidates import PerUser, collected
from drrec.evaluation.protocols.protocol import Protocol
from drrec.evaluation.protocols.session import sessions_of
from drrec.scoring import batches, openings

if TYPE_CHECKING:
    from drrec.data.dataset import Dataset
    from drrec.data.interactions import Interactions
    from drrec.types import Scorer

logger = logging.getLogger(__name__)

MOST_STEPS = 30
"""T, items of a session at most."""

WINDOW, MOST_ALIKE = 5, 1
"""A user leaves after an item with a category of more than `MOST_ALIKE` of the `WINDOW` before."""

OBSERVED_METRICS = ("reward", "mean_reward", "depth")


class Matrix(NamedTuple):
    """Feedback that users did not choose to give, and what they tire of."""

    ratings: Interactions
    category: np.ndarray  # [I, G] bool, all False for padding


def observed(
    recommender: Scorer,
    train: Interactions,
    matrix: Matrix,
    *,
    state_size: int = 10,
    seed: int = 0,
    steps: int = MOST_STEPS,
    window: int = WINDOW,
    most_alike: int = MOST_ALIKE,
) -> PerUser:
    """Show each user the best item of known feedback, one at a time, until they leave.

    An item pays (rating − 3) / 2, whatever was shown before. Histories move as in `session`.

    Args:
        recommender: a fitted one, which has not seen the matrix.
        train: what histories start from.
        matrix: the feedback. Of repeated rows the last counts.
        state_size: L, the length of a history.
        seed: of the shuffle that breaks ties.
        steps: T, items of a session at most.
        window: W, see `visits`.
        most_alike: see `visits`.

    Returns:
        `OBSERVED_METRICS` for each user with feedback in the matrix: the total reward, that by the
        number of items shown, and this number.

    Raises:
        InputError: a score is not finite, nobody has feedback, or W, T or `most_alike` is too
            small.
    """
    users = np.flatnonzero(matrix.ratings.counts()).astype(np.int32)
    histories = openings(recommender, train, state_size)
    tie_order = np.random.default_rng(seed).permutation(train.num_items)
    parts = []
    for batch in batches(users, train.num_items):
        is_known, reward = looked_up(matrix.ratings, batch)

        def pays(
            _: np.ndarray, __: np.ndarray, items: np.ndarray, reward: np.ndarray = reward
        ) -> np.ndarray:
            return reward[np.arange(len(items)), items]

        items, paid = sessions_of(
            recommender, pays, batch, histories[batch], is_known, tie_order, steps
        )
        # Whom a user left behind is not moved by it, so sessions are played out and then cut.
        depth = visits(matrix.category[items], window, most_alike)
        depth = np.minimum(depth, is_known.sum(axis=1))
        is_there = np.arange(steps) < depth[:, None]
        total = np.where(is_there, paid, 0).sum(axis=1, dtype=np.float64)
        values = (total, total / depth, depth.astype(np.float64))
        parts.append(dict(zip(OBSERVED_METRICS, values, strict=True)))
    return collected(users, parts)


def looked_up(ratings: Interactions, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[B, I] bool whether feedback of `users [B]` is known, and [B, I] float32 what items pay.

    Examples:
        >>> import drrec, numpy as np
        >>> from drrec.evaluation.protocols.observed import looked_up
        >>> rating = np.array([5, 1, 4])
        >>> log = drrec.Interactions.from_raw(list("aab"), list("xyy"), rating, np.arange(3))
        >>> is_known, reward = looked_up(log, np.array([1, 0]))
        >>> is_known.tolist()
        [[False, False, True], [False, True, True]]
        >>> reward.tolist()
        [[0.0, 0.0, 0.5], [0.0, 1.0, -1.0]]
    """
    is_known = np.zeros((len(users), ratings.num_items), bool)
    reward = np.zeros(is_known.shape, np.float32)
    for row, user in enumerate(users.tolist()):
        own = slice(ratings.offsets[user], ratings.offsets[user + 1])
        is_known[row, ratings.item[own]] = True
        reward[row, ratings.item[own]] = (ratings.rating[own] - LIKED_ABOVE) / 2
    return is_known, reward


def visits(category: np.ndarray, window: int, most_alike: int) -> np.ndarray:
    """[B] how many of T items users see: until one is too much like those before, or all.

    That is the first with a category which more than `most_alike` of the `window` items before it
    have. It is seen and pays, and is the last.

    Args:
        category: [B, T, G] bool, whether an item has a category.
        window: W, at least 1.
        most_alike: at least 0.

    Raises:
        InputError: `window` or `most_alike` is too small, or T is 0.

    Examples:
        >>> import numpy as np
        >>> from drrec.evaluation.protocols.observed import visits
        >>> shown = np.array([[[True, False], [False, True], [True, True], [True, False]]])
        >>> [int(visits(shown, window, most)[0]) for window, most in ((1, 0), (2, 1), (3, 1))]
        [3, 4, 4]
    """
    steps = category.shape[1]
    if window < 1 or most_alike < 0 or steps < 1:
        raise InputError(
            "Expected `window` and `steps` of at least 1 and `most_alike` of at least 0. Received: "
            f"{window}, {steps} and {most_alike}."
        )
    place = np.arange(steps)
    before = np.pad(category.cumsum(axis=1), ((0, 0), (1, 0), (0, 0)))  # [B, T + 1, G]
    recent = before[:, place] - before[:, np.maximum(place - window, 0)]  # [B, T, G]
    is_last = (category & (recent > most_alike)).any(axis=2)  # [B, T]
    return np.where(is_last.any(axis=1), is_last.argmax(axis=1) + 1, steps)


def _inputs(test: Dataset) -> tuple[Matrix, dict[str, Any]]:
    if not test.is_observed:
        raise InputError(
            "Expected a test part of feedback that users did not choose to give, for the protocol "
            f"observed. Received: a part of {test.name} that is none. Take the test part of coat "
            "or kuairec with the split given, or another protocol."
        )
    category = genre_vectors(test.genres)
    if category is None:
        logger.warning("%s has no categories: no session ends by their repeats", test.name)
        category = np.zeros((test.interactions.num_items, 0))
    return Matrix(test.interactions, category > 0), {}


OBSERVED = Protocol(run=observed, metrics=OBSERVED_METRICS, primary="reward", inputs=_inputs)
