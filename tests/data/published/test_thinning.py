import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drrec.data.published import thinning

EVENTS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 300)), min_size=1, max_size=80
)


def columns(events):
    return (np.array(column, np.int32) for column in zip(*events, strict=True))


def core_by_definition(pairs, min_user, min_item):
    """Throw out one user or item with too few at a time, until none is left to throw out."""
    pairs = set(pairs)
    while True:
        users = {u for u, _ in pairs if len({i for v, i in pairs if v == u}) < min_user}
        items = {i for _, i in pairs if len({u for u, j in pairs if j == i}) < min_item}
        if not users and not items:
            return pairs
        worst = next(iter(users)) if users else next(iter(items))
        pairs = {p for p in pairs if p[not users] != worst}


@given(events=EVENTS, min_user=st.integers(0, 4), min_item=st.integers(0, 4))
def test_the_core_is_what_its_definition_says(events, min_user, min_item):
    user, item, _ = columns(events)
    keep = thinning.core(user, item, min_user, min_item)
    kept = set(zip(user[keep].tolist(), item[keep].tolist(), strict=True))
    given_pairs = set(zip(user.tolist(), item.tolist(), strict=True))
    assert kept == core_by_definition(given_pairs, min_user, min_item)
    assert [
        pair in kept for pair in zip(user.tolist(), item.tolist(), strict=True)
    ] == keep.tolist()


def test_a_core_may_be_empty():
    one = np.zeros(3, np.int32)
    assert not thinning.core(one, one, 2, 1).any()


@given(events=EVENTS)
def test_of_pairs_pandas_keeps_the_same(events):
    user, item, _ = columns(events)
    frame = pd.DataFrame({"user": user, "item": item})
    left = frame.drop_duplicates(keep="last").index.tolist()
    assert np.flatnonzero(thinning.last_of_pairs(user, item)).tolist() == left


@given(events=EVENTS, gap=st.sampled_from([0.5, 1, 2]))
def test_a_session_ends_with_its_user_or_a_long_pause(events, gap):
    events = sorted((user, seconds) for user, _, seconds in events)
    user, seconds = columns(events)
    found = thinning.sessions(user, seconds.astype(np.int64) * 1000, gap)
    expected, number = [], -1
    for row, (who, when) in enumerate(events):
        before = events[row - 1] if row else (None, 0)
        number += who != before[0] or when - before[1] > gap * 60
        expected.append(number)
    assert found.tolist() == expected
    assert found.dtype == np.int32


@pytest.mark.parametrize(("pause", "number"), [(1_800_000, 0), (1_800_001, 1)])
def test_thirty_minutes_are_not_yet_too_long(pause, number):
    found = thinning.sessions(np.zeros(2, np.int32), np.array([0, pause]), 30)
    assert found.tolist() == [0, number]
