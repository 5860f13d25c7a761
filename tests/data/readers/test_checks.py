import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drrec.data.readers.checks import LARGEST_RATING, LATEST, are_sound, cut_short, nearest, short


@given(
    st.floats(allow_nan=True, allow_infinity=True),
    st.one_of(st.floats(), st.integers(-10, 2 * LATEST).map(float)),
)
def test_what_is_finite_whole_and_in_range_is_sound(rating, timestamp):
    is_time = 0 <= timestamp < LATEST and timestamp.is_integer()
    expected = math.isfinite(rating) and abs(rating) <= LARGEST_RATING and is_time
    assert are_sound(np.array([rating]), np.array([timestamp])) == expected


def test_cut_short_sees_a_lost_digit_only():
    assert cut_short(np.array([881250949.0, 891717742.0, 88125.0]))
    assert not cut_short(np.array([881250949.0, 891717742.0, 791717742.0]))
    assert cut_short(np.array([881250949.0, 891717742.0, 89171774.0]))
    assert not cut_short(np.array([881250949.0, 891717742.0, 100000000.0]))
    assert not cut_short(np.array([20.0, 10.0, 5.0]))
    assert not cut_short(np.array([5.0]))


def test_nearest_names_the_likely_one_and_all():
    assert (
        nearest("ml100k", ["ml-100k", "ml-1m"]) == "Did you mean 'ml-100k'? Known: ml-100k, ml-1m."
    )
    assert nearest("zzz", ["ml-1m"]) == "Known: ml-1m."


def test_short_keeps_an_error_on_one_line():
    assert len(short("a\n" * 500)) < 130
    assert "\n" not in short("a\n" * 500)
