"""The ways to divide ratings: each says of every row whether it trains, validates or tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drrec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.data.interactions import Interactions

TRAIN, VALIDATION, TEST = 0, 1, 2

GIVEN = "given"
"""Not drawn: the data set's owner has divided it (`Dataset.parts`)."""


def temporal(
    interactions: Interactions, validation_share: float, test_share: float, seed: int
) -> np.ndarray:
    """Each user's last ⌈20 %⌉ rows test, the ⌈10 %⌉ before them validate.

    Rounding up is what gives MovieLens-100K its 594 users with at least 10 test ratings, one of
    them 4 or more; rounding down gives 563, to the nearest 575. A user whose train would be empty
    is too short and stays in train.

    Returns:
        [R] int8.
    """
    return _tails(interactions, interactions.position_from_end(), validation_share, test_share)


def leave_one_out(
    interactions: Interactions, validation_share: float, test_share: float, seed: int
) -> np.ndarray:
    """Each user's last row tests, the one before validates; fewer than 3 rows stay in train.

    Returns:
        [R] int8.
    """
    back = interactions.position_from_end()
    is_long = interactions.counts()[interactions.user] >= 3
    return _parts(is_long & (back == 1), is_long & (back == 0))


def global_time(
    interactions: Interactions, validation_share: float, test_share: float, seed: int
) -> np.ndarray:
    """The last ⌈20 %⌉ of all rows test, the ⌈10 %⌉ before them validate, whoever's they are.

    Rows of one second are never divided: those at a cut fall on its later side. Users and items
    of the later parts may be unknown to train.

    Returns:
        [R] int8.
    """
    size = len(interactions)
    num_test = _rounded_up(size, test_share)
    num_later = num_test + _rounded_up(size, validation_share)
    ordered = np.sort(interactions.timestamp)
    test_from, later_from = ordered[size - num_test], ordered[max(size - num_later, 0)]
    is_test = interactions.timestamp >= test_from
    return _parts((interactions.timestamp >= later_from) & ~is_test, is_test)


def user(
    interactions: Interactions, validation_share: float, test_share: float, seed: int
) -> np.ndarray:
    """Cold users: ⌈20 %⌉ of the users, drawn by the seed, test with all their rows.

    Returns:
        [R] int8.
    """
    return _drawn(interactions.user, validation_share, test_share, seed)


def item(
    interactions: Interactions, validation_share: float, test_share: float, seed: int
) -> np.ndarray:
    """Cold items: ⌈20 %⌉ of the items, drawn by the seed, test with all their rows.

    Returns:
        [R] int8.
    """
    # A stream of its own: `data.cold` draws items from [seed, 0], users from [seed, 1].
    return _drawn(interactions.item, validation_share, test_share, [seed, 2])


def random(
    interactions: Interactions, validation_share: float, test_share: float, seed: int
) -> np.ndarray:
    """As many of each user's rows as in `temporal`, drawn by the seed wherever they lie in time.

    Returns:
        [R] int8.
    """
    tie_order = np.random.default_rng(seed).random(len(interactions))
    order = np.lexsort((tie_order, interactions.user))
    back = np.empty(len(interactions), np.int64)
    back[order] = interactions.position_from_end()
    return _tails(interactions, back, validation_share, test_share)


SPLITS: dict[str, Callable[[Interactions, float, float, int], np.ndarray]] = {
    "temporal": temporal,
    "leave_one_out": leave_one_out,
    "global_time": global_time,
    "user": user,
    "item": item,
    "random": random,
}


OF_EACH_USER = ("temporal", "leave_one_out")
"""Those that divide each user's rows without a look at others'."""


def given(interactions: Interactions, parts: np.ndarray | None) -> np.ndarray:
    """The parts that a data set's owner gave.

    Returns:
        [R] int8.

    Raises:
        InputError: there are none, or no train or no test among them.
    """
    if parts is None:
        raise InputError(
            f"Expected a data set that says of each row which part it is in, for the {GIVEN} "
            "split. Received: one that does not. Add a column x_label (0 train, 1 validation, "
            f"2 test), or choose another split: {', '.join(SPLITS)}."
        )
    if parts.shape != interactions.rating.shape or not np.isin((TRAIN, TEST), parts).all():
        raise InputError(
            f"Expected a part for each of {len(interactions)} rows, train and test among them. "
            f"Received: {len(parts)}, of the parts {np.unique(parts).tolist()}. "
            "Mend the column x_label (0 train, 1 validation, 2 test)."
        )
    return parts.astype(np.int8)


def _drawn(
    ids: np.ndarray, validation_share: float, test_share: float, seed: int | list[int]
) -> np.ndarray:
    """[R] parts, all rows of one of `ids [R]` in the same; shares are of the ids that occur."""
    drawn = np.random.default_rng(seed).permutation(np.unique(ids))
    num_test = int(_rounded_up(len(drawn), test_share))
    num_later = num_test + int(_rounded_up(len(drawn), validation_share))
    part = np.full(int(ids.max(initial=-1)) + 1, TRAIN, np.int8)
    if num_later < len(drawn):
        part[drawn[:num_later]] = VALIDATION
        part[drawn[:num_test]] = TEST
    return part[ids]


def _tails(
    interactions: Interactions, back: np.ndarray, validation_share: float, test_share: float
) -> np.ndarray:
    """[R] parts, where `back [R]` is each row's distance from the end of its user's."""
    counts = interactions.counts()
    num_test = _rounded_up(counts, test_share)
    num_later = num_test + _rounded_up(counts, validation_share)
    is_long = (num_later < counts)[interactions.user]
    is_test = is_long & (back < num_test[interactions.user])
    return _parts(is_long & (back < num_later[interactions.user]) & ~is_test, is_test)


def _parts(is_validation: np.ndarray, is_test: np.ndarray) -> np.ndarray:
    part = np.full(len(is_test), TRAIN, np.int8)
    part[is_validation] = VALIDATION
    part[is_test] = TEST
    return part


def _rounded_up(size: int | np.ndarray, share: float) -> np.ndarray:
    # 0.07 × 100 is 7.000000000000001 in floats and must be 7.
    return np.ceil(np.asarray(size) * share - 1e-9).astype(np.int64)
