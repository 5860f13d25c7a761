from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drrec.data import thinning

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


def core(user, item, least, *, has_repeats=True, sizes=(7, 7)):
    """By user, as a log has its rows: the rows of the core, and the users and items in it."""
    columns = {"user": user, "item": item + 1, "row": np.arange(len(user))}
    columns, *who = thinning.core(columns, sizes, least, has_repeats=has_repeats)
    return columns, *(np.flatnonzero(each).tolist() for each in who)


@given(
    events=EVENTS, least=st.tuples(st.integers(0, 4), st.integers(0, 4)), block=st.integers(1, 20)
)
def test_the_core_is_what_its_definition_says(events, least, block):
    user, item, _ = columns(sorted(events))
    with mock.patch.object(thinning, "_BLOCK", block):
        found, users, items = core(user.copy(), item.copy(), least)
    pairs = list(zip(user.tolist(), item.tolist(), strict=True))
    expected = core_by_definition(pairs, *least)
    assert found["row"].tolist() == [row for row, pair in enumerate(pairs) if pair in expected]
    assert users == sorted({user for user, _ in expected})
    assert items == sorted({item for _, item in expected})
    numbered = zip(found["user"].tolist(), found["item"].tolist(), strict=True)
    assert [(users[user], items[item - 1]) for user, item in numbered] == [
        pair for pair in pairs if pair in expected
    ]


def test_a_core_may_be_empty():
    found, users, items = core(np.zeros(3, np.int32), np.zeros(3, np.int32), (2, 1))
    assert len(found["user"]) == len(users) == len(items) == 0


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
