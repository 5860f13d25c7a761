from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drrec.data.readers import frames
from drrec.data.readers.staged import staging
from drrec.data.times import read_times


class Read(NamedTuple):
    seconds: np.ndarray
    rank: np.ndarray
    form: str
    bad: np.ndarray


def read(column):
    with staging("log") as log:
        frames.read(pd.DataFrame({"timestamp": column}), log)
        times = read_times(log)
        odd = "LEFT JOIN odd_times ON text = timestamp" if times.is_joined else ""
        query = f"SELECT {times.rank} AS rank FROM raw {odd} ORDER BY raw.rowid"
        rank = log.connection.execute(query).df()["rank"]
    seconds = (rank.fillna(0).to_numpy() // times.unit).astype(int)
    return Read(seconds, rank.to_numpy(), times.form, rank.isna().to_numpy())


SECONDS = [1_500_000_000, 1_600_000_000, 1_600_000_001]


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
@pytest.mark.parametrize("as_text", [False, True])
def test_the_unit_is_told_by_the_size(unit, as_text):
    column = pd.Series([second * unit for second in SECONDS])
    times = read(column.astype(str) if as_text else column)
    assert times.seconds.tolist() == SECONDS
    assert not times.bad.any()


def test_decimals_order_what_is_of_one_second():
    times = read(pd.Series([1.5e9 + 0.75, 1.5e9 + 0.25]))
    assert times.seconds.tolist() == [1_500_000_000] * 2
    assert np.argsort(times.rank).tolist() == [1, 0]


@pytest.mark.parametrize(
    "text",
    [
        "2017-07-14T02:40:00Z",
        "2017-07-14 02:40:00",
        "2017-07-14T04:40:00+02:00",
        "2017-07-14T02:40:00.000",
        "20170714T024000Z",
    ],
)
def test_dates_of_iso_8601_are_read(text):
    times = read(pd.Series([text, "2020-09-13"]))
    assert times.seconds.tolist() == [1_500_000_000, 1_599_955_200]


def test_days_as_numbers_are_dates():
    times = read(pd.Series([20170714, 20200913]))
    assert times.seconds.tolist() == [1_499_990_400, 1_599_955_200]
    assert read(pd.Series([20170714, 20201332])).form == "seconds"


@pytest.mark.parametrize("dtype", ["datetime64[s]", "datetime64[ns]"])
def test_columns_of_dates_are_read(dtype):
    column = pd.Series(np.array(SECONDS, "datetime64[s]").astype(dtype))
    assert read(column).seconds.tolist() == SECONDS
    zoned = column.dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
    assert read(zoned).seconds.tolist() == SECONDS


@pytest.mark.parametrize("odd", ["soon", "-1", "1500000000000", "inf", "", "1_000"])
def test_a_time_of_another_kind_among_seconds_is_bad(odd):
    times = read(pd.Series([*map(str, SECONDS), odd]))
    assert times.bad.tolist() == [False] * 3 + [True]


@given(st.lists(st.integers(0, 7 * 10**9), min_size=1, max_size=30))
def test_whole_seconds_are_what_they_are(seconds):
    times = read(pd.Series(seconds, dtype="int64"))
    if times.form == "seconds":
        assert times.seconds.tolist() == seconds
        assert times.rank.tolist() == seconds
