"""What lies outside its range is refused, and nothing else."""

import types

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drrec.errors import InputError
from drrec.ranges import check_ranges

CLOSED = {"[]": "both", "[)": "left", "(]": "right", "()": "neither"}


@given(
    st.sampled_from(sorted(CLOSED)),
    st.tuples(st.integers(-3, 3), st.integers(-3, 3)).map(sorted),
    st.one_of(st.integers(-4, 4), st.floats(-4, 4), st.just(float("nan"))),
)
def test_it_is_in_the_interval_or_refused(brackets, ends, value):
    interval = f"{brackets[0]}{ends[0]}, {ends[1]}{brackets[1]}"
    settings = types.SimpleNamespace(share=value)
    if value in pd.Interval(*ends, closed=CLOSED[brackets]):
        check_ranges(settings, {interval: ["share"]})
    else:
        with pytest.raises(InputError) as refused:
            check_ranges(settings, {interval: ["share"]})
        assert str(refused.value) == f"`share` must be in {interval}. Received: {value}."


@pytest.mark.parametrize(
    ("interval", "told"), [("[1, inf)", "at least 1"), ("(0, inf)", "above 0")]
)
@pytest.mark.parametrize("value", [-1, 0, float("nan"), float("inf")])
def test_what_has_no_end_is_told_without(interval, told, value):
    with pytest.raises(InputError, match=f"`rate` must be {told}. Received: {value}."):
        check_ranges(types.SimpleNamespace(rate=value), {interval: ["rate"]})


@pytest.mark.parametrize("value", ["4", [4], 1j])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(InputError, match=r"`rate` must be at least 1\. Received: "):
        check_ranges(types.SimpleNamespace(rate=value), {"[1, inf)": ["rate"]})


def test_what_is_not_given_is_not_checked():
    check_ranges(types.SimpleNamespace(workers=None), {"[1, inf)": ["workers"]})
