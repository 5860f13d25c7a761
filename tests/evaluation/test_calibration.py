"""Errors of predicted ratings: by hand, against scikit-learn, and what is right on average."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from tests.evaluation.stubs import Score, Stub, log

from drrec.data.interactions import Interactions
from drrec.errors import InputError
from drrec.evaluation.calibration import calibration_error, rating_errors, reliability


class Predictor(Stub):
    """A stub whose scores are ratings less `rating_offset`."""

    def __init__(self, score: Score, num_items: int, offset: float = 0.0) -> None:
        super().__init__(score, num_items)
        self.rating_offset = offset


def test_by_hand() -> None:
    whole = log([(1, 1, 3.0), (1, 2, 5.0), (1, 3, 4.0), (2, 1, 1.0), (3, 3, 2.0)])
    train, test = whole.where(whole.timestamp < 1), whole.where(whole.timestamp >= 1)
    # Items 1 2 3 are predicted 1.5 2.5 3.5 for all: off by -2.5, -.5, .5, 1.5.
    found = rating_errors(Predictor(lambda u, h, i: i, 4, 0.5), train, test)
    assert found is not None
    assert found.users.tolist() == [0, 1, 2]
    assert found.squared == pytest.approx([6.5, 0.25, 2.25])
    assert found.absolute == pytest.approx([3, 0.5, 1.5])
    assert found.num_ratings.tolist() == [2, 1, 1]
    assert found.rmse == pytest.approx(1.5)
    assert found.mae == pytest.approx(1.25)
    # Bins: 1.5 (given 1), 2.5 (given 5), 3.5 twice (given 4 and 2).
    assert found.calibration == pytest.approx((0.5 + 2.5 + 2 * 0.5) / 4)


def test_who_predicts_no_ratings_has_no_errors() -> None:
    whole = log([(1, 1, 3.0), (1, 2, 5.0)])
    assert rating_errors(Stub(lambda u, h, i: i, 3), whole, whole) is None
    predictor = Predictor(lambda u, h, i: i, 3)
    assert rating_errors(predictor, whole, whole.where(np.zeros(2, bool))) is None
    bad = Predictor(lambda u, h, i: np.where(i == 2, np.nan, i), 3)
    with pytest.raises(InputError, match="Expected finite scores"):
        rating_errors(bad, whole, whole)


def test_as_scikit_learn_says_also_in_batches(
    tiny_interactions: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_test = tiny_interactions.position_from_end() < 5
    is_test &= tiny_interactions.user % 7 != 3  # not everybody has a test rating
    train, test = tiny_interactions.where(~is_test), tiny_interactions.where(is_test)
    values = np.random.default_rng(0).normal(0, 1, (test.num_users, test.num_items))
    predictor = Predictor(lambda u, h, i: values[u, i], test.num_items, 3.5)
    predicted = 3.5 + values[test.user, test.item].astype(np.float32)
    whole = rating_errors(predictor, train, test)
    monkeypatch.setattr("drrec.scoring.MAX_CANDIDATES", 70)
    parts = rating_errors(predictor, train, test)
    assert len(predictor.calls) > 3
    for found in (whole, parts):
        assert found is not None
        assert found.users.tolist() == np.unique(test.user).tolist()
        assert found.rmse == pytest.approx(root_mean_squared_error(test.rating, predicted))
        assert found.mae == pytest.approx(mean_absolute_error(test.rating, predicted))
        assert found.calibration == pytest.approx(calibration_error(predicted, test.rating))


def test_what_is_right_on_average_has_no_calibration_error() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(1, 5, 100_000)
    given_ratings = truth + rng.normal(0, 1, len(truth))
    assert calibration_error(truth, given_ratings) < 0.02
    assert calibration_error(np.full(len(truth), given_ratings.mean()), given_ratings) < 1e-9
    assert calibration_error(truth + 0.4, given_ratings) == pytest.approx(0.4, abs=0.02)
    # Predictions twice as far from the mean are off by half of that: E|U(1, 5) − 3| = 1.
    assert calibration_error(3 + 2 * (truth - 3), given_ratings) == pytest.approx(1, abs=0.02)


@given(st.integers(0, 2**32), st.integers(1, 40), st.booleans())
def test_the_calibration_error_is_at_most_the_mean_error(
    seed: int, size: int, has_ties: bool
) -> None:
    rng = np.random.default_rng(seed)
    predicted, ratings = rng.normal(3, 1, (2, size))
    if has_ties:
        predicted = predicted.round()
    error = calibration_error(predicted, ratings)
    assert 0 <= error <= np.abs(predicted - ratings).mean() + 1e-12
    mean_predicted, mean_given, count = reliability(predicted, ratings)
    assert count.sum() == size
    assert (count > 0).all()
    assert (np.diff(mean_predicted) > 0).all()  # equal predictions share a bin
    assert mean_given @ count == pytest.approx(ratings.sum())
