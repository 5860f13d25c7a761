"""What ratings mean: any scale, read off the data or given, onto that of 1 to 5 stars.

Everything else knows stars alone: a like is above 3, a relevant item has 4 or more, and the reward
is (stars − 3) / 2.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from drrec.data.config import LogConfig
from drrec.errors import InputError

TAKEN = 5.0
"""Stars of each row of a log that says only who took what."""

_MEND = "Pass --rating-scale LOW,HIGH, or --rating-kind count or duration."
_FITTING = ((0.0, 1.0), (-1.0, 1.0), (1.0, 5.0), (1.0, 10.0), (-10.0, 10.0), (1.0, 100.0))


@dataclasses.dataclass(frozen=True)
class RatingScale:
    """How ratings become stars: straight from `low` to `like_from`, and on to `high`."""

    low: float
    """The worst rating, 1 star."""
    high: float
    """The best, 5 stars."""
    like_from: float
    """The least that is a like, 4 stars."""

    @property
    def is_stars(self) -> bool:
        """Whether ratings are stars as they stand."""
        return self.high == 5 and self.like_from == 4 and 0 <= self.low <= 1

    def stars(self, rating: np.ndarray) -> np.ndarray:
        """[R] of [R] ratings."""
        if self.is_stars:
            return rating
        return np.interp(rating, [self.low, self.like_from, self.high], [1.0, 4.0, 5.0])

    def __str__(self) -> str:
        """In words."""
        return f"from {self.low:g} to {self.high:g}, liked from {self.like_from:g}"


def scale_of(rating: np.ndarray, config: LogConfig) -> RatingScale:
    """The scale that is given, or else the one that the ratings [R] show.

    Two values are a dislike and a like, unless the better one has 4 stars or more. Whole numbers
    from 1 to 3, 4, 6 or 7, all of which occur, are that scale. All else is the narrowest of 0 to
    1, −1 to 1, 1 to 5 (or ½, or 0), 1 to 10 (or 0), −10 to 10, and 0 to 100.

    Raises:
        InputError: they show none, or lie outside the given one; the message names the flag.
    """
    values = np.unique(rating)
    low, high = values[0], values[-1]
    if config.scale is not None:
        given_low, given_high = config.scale
        if low < given_low or high > given_high:
            raise InputError(
                f"Expected ratings from {given_low:g} to {given_high:g}, as --rating-scale says. "
                f"Received: {low if low < given_low else high:g}. Give another scale, or the value "
                "of --unrated."
            )
        return _with_likes(given_low, given_high, config)
    if low == -1 and high > 1 and values[1] >= 0:
        raise InputError(
            f"Expected a scale of ratings. Received: −1 beside {values[1]:g} to {high:g}. If −1 "
            f"means not rated, pass --unrated -1; if it is the worst, --rating-scale=-1,{high:g}."
        )
    if len(values) == 2 and not (low >= 0 and 4 <= high <= 5):
        return _with_likes(low, high, config, like_from=high)
    is_whole = bool((values == np.floor(values)).all())
    if is_whole and high in (3, 4, 6, 7) and np.array_equal(values, np.arange(1, high + 1)):
        return _with_likes(1.0, high, config)
    for least, most in _FITTING:
        least = min(low, least) if least == 1 and low >= 0 else least
        if least <= low and high <= most:
            whole_low = np.floor(least) if most > 5 else least
            return _with_likes(whole_low, most, config)
    raise InputError(
        f"Expected ratings, from 1 to 5 or 10, say. Received: {low:g} to {high:g}. {_MEND}"
    )


def check_amounts(low: float, high: float, kind: str) -> None:
    """See that the least and the most of counts or durations can be weights.

    Raises:
        InputError: one is below 0, or all are 0.
    """
    if low < 0 or not high > 0:
        worst = low if low < 0 else high
        raise InputError(
            f"Expected a {kind} of 0 or more in each row, and above 0 in one. Received: "
            f"{worst:g}. Pass --unrated {worst:g} if that is none, or --rating-kind rating."
        )


def confidence(amount: np.ndarray, mean: float) -> np.ndarray:
    """[R] weights of counts or durations [R]: log(1 + amount) over its mean."""
    return np.log1p(amount) / mean


def _with_likes(
    low: float, high: float, config: LogConfig, like_from: float | None = None
) -> RatingScale:
    if config.like_from is not None:
        like_from = config.like_from
    elif like_from is None:
        # Stars that begin below 1 are liked from 4 as others are.
        like_from = 4.0 if high == 5 and 0 <= low <= 1 else low + 0.75 * (high - low)
    if not low < like_from <= high:
        raise InputError(
            f"Expected --like-from above {low:g} and at most {high:g}. Received: {like_from:g}."
        )
    return RatingScale(float(low), float(high), float(like_from))
