import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drrec.data.interactions import Interactions
from drrec.data.strategies import (
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    global_time,
    item,
    leave_one_out,
    random,
    temporal,
    user,
)


def log_of(sizes, *, same_time=False):
    """Users with these many rows each; one second for all rows, or another for each."""
    total = sum(sizes)
    users = np.repeat(np.arange(len(sizes)), sizes)
    times = np.zeros(total, int) if same_time else np.arange(total)[::-1]
    return Interactions.from_raw(users, np.arange(total), np.ones(total), times)


sizes = st.lists(st.integers(1, 40), min_size=1, max_size=8)


@given(sizes)
def test_temporal_rounds_each_users_tails_up(sizes):
    log = log_of(sizes)
    part = temporal(log, 0.1, 0.2, 0)
    for dense, size in enumerate(sizes):
        num_test, num_validation = math.ceil(size / 5), math.ceil(size / 10)
        num_train = size - num_test - num_validation
        expected = [TRAIN] * num_train + [VALIDATION] * num_validation + [TEST] * num_test
        assert part[log.user == dense].tolist() == (expected if num_train > 0 else [TRAIN] * size)


def test_temporal_takes_the_latest_of_ties_by_row():
    assert temporal(log_of([5], same_time=True), 0.1, 0.2, 0).tolist() == [0, 0, 0, 1, 2]


def test_shares_are_not_off_by_a_float():
    part = temporal(log_of([100]), 0.07, 0.07, 0)  # 0.07 × 100 > 7 in floats
    assert np.bincount(part).tolist() == [86, 7, 7]


@given(sizes)
def test_leave_one_out_holds_out_the_last_two(sizes):
    log = log_of(sizes)
    part = leave_one_out(log, 0.1, 0.2, 0)
    for dense, size in enumerate(sizes):
        held = [VALIDATION, TEST] if size >= 3 else [TRAIN] * min(size, 2)
        assert part[log.user == dense].tolist() == [TRAIN] * max(size - 2, 0) + held


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20)), min_size=5, max_size=40))
def test_global_time_cuts_all_users_at_one_moment(rows):
    users, times = map(np.array, zip(*rows, strict=True))
    log = Interactions.from_raw(users, np.arange(len(rows)), np.ones(len(rows)), times)
    part = global_time(log, 0.1, 0.2, 0)
    for earlier, later in ((TRAIN, VALIDATION), (VALIDATION, TEST), (TRAIN, TEST)):
        before, after = log.timestamp[part == earlier], log.timestamp[part == later]
        assert before.max(initial=-1) < after.min(initial=10**9)
    assert (part == TEST).sum() >= math.ceil(len(rows) / 5)


def test_global_time_takes_just_its_shares_of_distinct_times():
    assert np.bincount(global_time(log_of([7, 13]), 0.1, 0.2, 0)).tolist() == [14, 2, 4]


@given(st.lists(st.integers(1, 5), min_size=3, max_size=30), st.integers(0, 99))
def test_cold_users_are_wholly_in_one_part(sizes, seed):
    log = log_of(sizes)
    part = user(log, 0.1, 0.2, seed)
    of_user = [set(part[log.user == dense].tolist()) for dense in range(len(sizes))]
    assert all(len(parts) == 1 for parts in of_user)
    assert of_user.count({TEST}) == math.ceil(len(sizes) / 5)
    assert of_user.count({VALIDATION}) == math.ceil(len(sizes) / 10)


@given(st.lists(st.integers(0, 9), min_size=5, max_size=40), st.integers(0, 99))
def test_cold_items_are_wholly_in_one_part(items, seed):
    users = np.arange(len(items)) % 3
    log = Interactions.from_raw(users, np.array(items), np.ones(len(items)), np.arange(len(items)))
    part = item(log, 0.1, 0.2, seed)
    present = np.unique(log.item)
    of_item = [set(part[log.item == dense].tolist()) for dense in present]
    assert all(len(parts) == 1 for parts in of_item)
    if len(present) > 2:
        assert of_item.count({TEST}) == math.ceil(len(present) / 5)
        assert of_item.count({VALIDATION}) == math.ceil(len(present) / 10)


@given(sizes, st.integers(0, 99))
def test_random_takes_as_many_rows_of_each_user_as_temporal(sizes, seed):
    log = log_of(sizes)
    drawn, last = random(log, 0.1, 0.2, seed), temporal(log, 0.1, 0.2, seed)
    for dense in range(len(sizes)):
        of_user = log.user == dense
        assert sorted(drawn[of_user].tolist()) == sorted(last[of_user].tolist())


@pytest.mark.parametrize("draw", [random, user, item])
def test_draws_are_spread_and_follow_the_seed(draw):
    log = log_of([10] * 50)
    parts = [draw(log, 0.1, 0.2, seed) for seed in range(40)]
    assert np.array_equal(parts[3], draw(log, 0.1, 0.2, 3))
    tested = np.mean([part == TEST for part in parts], axis=0)
    assert abs(tested.mean() - 0.2) < 1e-9
    assert (tested > 0).mean() > 0.95
    assert tested.max() < 0.6


@pytest.mark.parametrize("name", SPLITS)
def test_every_strategy_gives_int8_parts_of_each_row(name, tiny_interactions):
    part = SPLITS[name](tiny_interactions, 0.1, 0.2, 0)
    assert part.dtype == np.int8
    assert part.shape == (len(tiny_interactions),)
    assert set(part.tolist()) == {TRAIN, VALIDATION, TEST}
