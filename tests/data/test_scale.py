import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drrec.data.config import LogConfig
from drrec.data.scale import RatingScale, check_amounts, confidence, scale_of
from drrec.errors import InputError


def found(values, **settings):
    scale = scale_of(np.array(values, float), LogConfig(**settings))
    return scale.low, scale.high, scale.like_from


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3, 4, 5], (1, 5, 4)),
        ([0.5, 3, 4.5, 5], (0.5, 5, 4)),
        ([0, 3, 4, 5], (0, 5, 4)),
        ([1, 3.5, 2], (1, 5, 4)),
        ([2, 4, 6, 8, 10], (1, 10, 7.75)),
        ([0, 4, 10], (0, 10, 7.5)),
        ([0.2, 0.4, 1.0], (0, 1, 0.75)),
        ([-1, 0, 1], (-1, 1, 0.5)),
        ([-9.9, 0.4, 9.8], (-10, 10, 5)),
        ([3, 47, 98], (1, 100, 75.25)),
        ([0, 47, 100], (0, 100, 75)),
        ([1, 2, 3], (1, 3, 2.5)),
        ([1, 2, 3, 4], (1, 4, 3.25)),
        ([1, 2, 3, 4, 5, 6, 7], (1, 7, 5.5)),
        ([0, 1], (0, 1, 1)),
        ([-1, 1], (-1, 1, 1)),
        ([1, 2], (1, 2, 2)),
        ([1, 5], (1, 5, 4)),
        ([4, 5], (1, 5, 4)),
    ],
)
def test_the_scale_is_read_off_the_ratings(values, expected):
    assert found(values) == expected


def test_a_given_scale_and_a_given_like_hold():
    assert found([3, 4, 5], rating_scale="0,20") == (0, 20, 15)
    assert found([3, 4, 5], like_from=5) == (3 * 0 + 1, 5, 5)
    assert found([6, 8, 10], like_from=9, rating_scale="1,10") == (1, 10, 9)


@pytest.mark.parametrize(
    ("values", "settings", "words"),
    [
        ([-1, 3, 10], {}, "--unrated -1"),
        ([0, 5314], {"like_from": 2.0}, None),
        ([0, 3, 5314], {}, "--rating-kind count or duration"),
        ([1, 11], {"rating_scale": "1,10"}, "Received: 11"),
        ([1, 5, 3], {"like_from": 6.0}, "Expected --like-from above 1 and at most 5"),
    ],
)
def test_what_shows_no_scale_is_refused_with_the_flag_that_helps(values, settings, words):
    if words is None:
        assert found(values, **settings) == (0, 5314, 2)  # two values: a like and none
        return
    with pytest.raises(InputError, match=words):
        found(values, **settings)


@pytest.mark.parametrize("text", ["1", "5,1", "a,b", "1,2,3", "1,inf", ""])
def test_a_scale_that_is_none_is_refused(text):
    with pytest.raises(InputError, match=r"`rating_scale` must be LOW,HIGH"):
        LogConfig(rating_scale=text)


@given(
    st.floats(-100, 100), st.floats(0.5, 200), st.floats(0.1, 0.9),
    st.lists(st.floats(0, 1), min_size=2, max_size=20),
)  # fmt: skip
def test_stars_keep_the_order_and_meet_the_marks(low, span, share, places):
    scale = RatingScale(low, low + span, low + share * span)
    ratings = np.sort(low + np.array(places) * span)
    stars = scale.stars(ratings)
    assert (np.diff(stars) >= 0).all()
    ends = scale.stars(np.array([scale.low, scale.like_from, scale.high]))
    assert scale.is_stars or ends.tolist() == [1, 4, 5]
    assert scale.is_stars or ((stars >= 4) == (ratings >= scale.like_from)).all()


def test_confidence_grows_as_the_logarithm_and_has_mean_one():
    amount = np.array([0.0, 1.0, 3.0])
    weight = confidence(amount, np.log1p(amount).mean())
    np.testing.assert_allclose(weight, np.array([0, 1, 2]) / 1.0)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 2.0), (0.0, 0.0)])
def test_amounts_that_are_no_weights_are_refused(low, high):
    check_amounts(0.0, 1.0, "count")
    with pytest.raises(InputError, match="Expected a count of 0 or more"):
        check_amounts(low, high, "count")
