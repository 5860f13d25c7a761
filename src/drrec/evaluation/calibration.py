"""How far predicted ratings are from given ones, and whether they are right on average.

A recommender predicts ratings if it has a `rating_offset`, a number: its scores plus that are
ratings. Most do not: scores only have to rank.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.scoring import candidate_batches, candidate_scores, openings
from drrec.types import PADDING

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.types import Scorer

NUM_BINS = 10


class Errors(NamedTuple):
    """Errors of predicted ratings, added up for each user, so that users can be resampled."""

    users: np.ndarray  # [U'] int32, who has a test rating
    squared: np.ndarray  # [U'] sums of squared errors
    absolute: np.ndarray  # [U'] sums of absolute errors
    num_ratings: np.ndarray  # [U']
    calibration: float
    """Expected calibration error, see `calibration_error`."""

    @property
    def rmse(self) -> float:
        """Root of the mean squared error, in points of rating, ≥ `mae`."""
        return float(np.sqrt(self.squared.sum() / self.num_ratings.sum()))

    @property
    def mae(self) -> float:
        """Mean absolute error, in points of rating, ≥ 0."""
        return float(self.absolute.sum() / self.num_ratings.sum())


def rating_errors(
    recommender: Scorer, train: Interactions, test: Interactions, *, state_size: int = 10
) -> Errors | None:
    """How well the test ratings are predicted, as they are, not clipped to the scale.

    Args:
        recommender: a fitted one.
        train: where histories come from, as in the protocols.
        test: the ratings to predict.
        state_size: L, the length of a history.

    Returns:
        None if it has no `rating_offset`, so that its scores are no ratings.

    Raises:
        InputError: a prediction is not finite.
    """
    offset = getattr(recommender, "rating_offset", None)
    if offset is None or len(test) == 0:
        return None
    histories = openings(recommender, train, state_size)
    users = np.flatnonzero(test.counts()).astype(np.int32)
    parts = []
    for batch in candidate_batches(users, test.counts()[users]):
        counts = test.counts()[batch]
        rows = slice(test.offsets[batch[0]], test.offsets[batch[-1] + 1])
        is_item = np.arange(counts.max()) < counts[:, None]  # [B, C]
        candidates = np.full(is_item.shape, PADDING, np.int32)
        candidates[is_item] = test.item[rows]
        scores = candidate_scores(recommender, batch, histories[batch], candidates, is_item)
        parts.append(scores[is_item])
    predicted = offset + np.concatenate(parts).astype(np.float64)  # [R]
    error = predicted - test.rating
    squared, absolute = (
        np.bincount(test.user, weights=each, minlength=test.num_users)[users]
        for each in (error**2, np.abs(error))
    )
    expected = calibration_error(predicted, test.rating)
    return Errors(users, squared, absolute, test.counts()[users], expected)


def reliability(
    predicted: np.ndarray, given: np.ndarray, num_bins: int = NUM_BINS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What was given where so much was predicted: the points of a reliability diagram.

    Args:
        predicted: [R] at least one.
        given: [R] the ratings.
        num_bins: bins of about as many predictions each; equal predictions share one.

    Returns:
        Mean prediction, mean rating and number of ratings of each bin that is not empty, [≤ bins].
    """
    edges = np.quantile(predicted, np.arange(1, num_bins) / num_bins)
    bins = np.searchsorted(edges, predicted, side="right")
    count = np.bincount(bins, minlength=num_bins)
    filled = count > 0
    count = count[filled]
    mean_predicted, mean_given = (
        np.bincount(bins, weights=each, minlength=num_bins)[filled] / count
        for each in (predicted, given)
    )
    return mean_predicted, mean_given, count


def calibration_error(predicted: np.ndarray, given: np.ndarray, num_bins: int = NUM_BINS) -> float:
    """Expected calibration error of predicted ratings, in points of rating, in [0, MAE].

    The mean over all ratings of how far their bin of `reliability` is off on average (Naeini et
    al. 2015, for ratings in place of probabilities). One who predicts the mean for all has 0.
    """
    mean_predicted, mean_given, count = reliability(predicted, given, num_bins)
    return float((np.abs(mean_predicted - mean_given) * count).sum() / count.sum())
