import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drrec.data.readers.checks import LATEST, are_sound, cut_short, nearest, row_fault, short


@pytest.mark.parametrize("rating", ["abc", "", "nan", "inf", "-inf", "1e99", "4_0", "4,5"])
def test_row_fault_refuses_a_rating_that_is_no_finite_number(rating):
    assert "Expected a rating that is a finite number" in row_fault("u", "i", rating, "0")


@pytest.mark.parametrize("timestamp", ["-1", "1.5", "x", "nan", "inf", "", str(LATEST), "1e30"])
def test_row_fault_refuses_a_timestamp_out_of_range(timestamp):
    fault = row_fault("u", "i", "3", timestamp)
    assert "Expected a timestamp in whole seconds" in fault
    assert repr(timestamp) in fault


def test_row_fault_names_the_empty_id():
    assert "Expected a user id" in row_fault(" ", "i", "3", "0")
    assert "Expected a item id" in row_fault("u", "", "3", "0")


@given(
    st.floats(allow_nan=True, allow_infinity=True),
    st.one_of(st.floats(), st.integers(-10, 2 * LATEST).map(float)),
)
def test_the_rules_for_text_and_for_columns_agree(rating, timestamp):
    by_row = row_fault("u", "i", repr(rating), repr(timestamp)) is None
    assert are_sound(np.array([rating]), np.array([timestamp])) == by_row


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
