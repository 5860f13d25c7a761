import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drrec.data.interactions import Interactions
from drrec.errors import InputError

FINGERPRINT = "d7330342bac9259d38a9adc9673b0b6db3cc1867c65110ddf421da1ad7a9a8f7"


@st.composite
def logs(draw, max_rows=60):
    """Rows with distinct pairs and distinct timestamps."""
    pairs = draw(
        st.lists(
            st.tuples(st.integers(0, 8), st.integers(0, 12)),
            min_size=1,
            max_size=max_rows,
            unique=True,
        )
    )
    timestamps = draw(
        st.lists(st.integers(0, 10**9), min_size=len(pairs), max_size=len(pairs), unique=True)
    )
    ratings = draw(
        st.lists(st.integers(1, 5), min_size=len(pairs), max_size=len(pairs)).map(np.array)
    )
    users, items = zip(*pairs, strict=True)
    return [f"{u}" for u in users], [f"x{i}" for i in items], ratings, np.array(timestamps)


def build(rows, order=None):
    order = range(len(rows[0])) if order is None else order
    return Interactions.from_raw(*[np.asarray(column)[list(order)] for column in rows])


@given(logs())
def test_ids_are_dense_and_lead_back_to_the_raw_rows(rows):
    log = build(rows)
    assert set(log.user.tolist()) == set(range(log.num_users))
    assert set(log.item.tolist()) == set(range(1, log.num_items))
    received = zip(
        log.users.raw[log.user], log.items.raw[log.item], log.rating, log.timestamp, strict=True
    )
    assert set(received) == set(zip(*rows, strict=True))
    assert all(log.users.dense(raw) == dense for dense, raw in enumerate(log.users.raw.tolist()))


@given(logs())
def test_rows_are_sorted_by_user_then_time(rows):
    log = build(rows)
    key = list(zip(log.user.tolist(), log.timestamp.tolist(), strict=True))
    assert key == sorted(key)
    assert log.offsets.tolist() == [0, *np.cumsum(log.counts()).tolist()]


@given(logs(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter_where_timestamps_differ(rows, random):
    order = list(range(len(rows[0])))
    random.shuffle(order)
    assert build(rows, order).fingerprint == build(rows).fingerprint


@given(logs(), st.data())
def test_the_fingerprint_sees_each_value(rows, data):
    log = build(rows)
    row = data.draw(st.integers(0, len(log) - 1))
    for column, by in ((2, 1), (3, 2_000_000_000)):
        changed = [np.array(values) for values in rows]
        changed[column][row] += by
        assert build(changed).fingerprint != log.fingerprint
    renamed = [np.array(values) for values in rows]
    renamed[1] = np.array([f"y{raw}" for raw in rows[1]])
    assert build(renamed).fingerprint != log.fingerprint


def test_ties_keep_their_original_order():
    log = Interactions.from_raw(["a"] * 4, ["d", "b", "c", "a"], np.arange(4), np.full(4, 9))
    assert log.rating.tolist() == [0, 1, 2, 3]


def test_numbers_are_ordered_as_numbers():
    log = Interactions.from_raw([10, 9, 100], ["b", "10", "9"], np.ones(3), np.arange(3))
    assert log.users.raw.tolist() == ["9", "10", "100"]
    assert log.items.raw.tolist() == ["", "9", "10", "b"]


def test_integer_and_text_ids_are_the_same_ids():
    ratings, times = np.ones(2), np.arange(2)
    by_number = Interactions.from_raw(np.array([7, 12]), np.array([3, 4]), ratings, times)
    by_text = Interactions.from_raw(["7", "12"], ["3", "4"], ratings, times)
    assert by_number.fingerprint == by_text.fingerprint
    mixed = Interactions.from_raw(np.array([7, "7"], object), ["3", "4"], ratings, times)
    assert mixed.users.raw.tolist() == ["7"]


def test_of_repeated_pairs_the_last_is_kept_and_their_number_logged(caplog):
    log = Interactions.from_raw(
        ["a", "a", "a", "b"], ["x", "x", "x", "x"], np.array([1, 5, 2, 4]), np.array([3, 9, 4, 1])
    )
    assert log.rating.tolist() == [5, 4]
    assert "2 repeated (user, item) rows" in caplog.text


@pytest.mark.parametrize("bad", ["", "  ", None])
def test_an_empty_id_is_refused(bad):
    with pytest.raises(InputError, match="Expected a user id"):
        Interactions.from_raw(np.array(["a", bad], object), ["x", "y"], np.ones(2), np.arange(2))


def test_no_rows_are_refused():
    with pytest.raises(InputError, match="at least one user"):
        Interactions.from_raw([], [], np.array([]), np.array([]))


@pytest.mark.parametrize(
    ("rating", "timestamp"), [(np.nan, 0), (np.inf, 0), (3, -1), (3, 10**13), (3, 0.5)]
)
def test_values_out_of_range_are_refused(rating, timestamp):
    with pytest.raises(InputError, match="Expected finite ratings"):
        Interactions.from_raw(["a"], ["x"], np.array([rating]), np.array([timestamp]))


def test_an_unknown_id_suggests_the_nearest(tiny_interactions):
    with pytest.raises(InputError, match=r"Received: 'u0'. Did you mean 'u\d+'\?"):
        tiny_interactions.users.dense("u0")
    assert "" not in tiny_interactions.items


def test_liked_histories_by_hand():
    log = Interactions.from_raw(
        ["a"] * 4 + ["b"], ["1", "2", "3", "4", "1"], np.array([4, 3, 5, 5, 1]), np.arange(5)
    )
    assert log.liked_histories(2).tolist() == [[3, 4], [0, 0]]
    assert log.liked_histories(4).tolist() == [[0, 1, 3, 4], [0, 0, 0, 0]]


def test_where_keeps_the_id_maps(tiny_interactions):
    liked = tiny_interactions.where(tiny_interactions.rating > 3)
    assert liked.items is tiny_interactions.items
    assert len(liked) == (tiny_interactions.rating > 3).sum()


def test_the_canonical_hash_is_what_it_says():
    log = Interactions.from_raw(["a"], ["x"], np.array([4.0]), np.array([9]))
    content = b'["a"]["", "x"]' + b"\0\0\0\0" + b"\1\0\0\0" + b"\0\0\x80\x40" + b"\x09" + b"\0" * 7
    assert log.fingerprint == hashlib.sha256(content).hexdigest()


def test_movielens_100k_has_its_canonical_hash(ml_100k):
    assert ml_100k.interactions.fingerprint == FINGERPRINT
    assert (ml_100k.interactions.num_users, ml_100k.interactions.num_items) == (943, 1683)


REPEATED = (
    ["u", "v", "u", "u", "v"],
    ["x", "x", "y", "x", "x"],
    np.arange(1.0, 6),
    10 * np.arange(5),
)


def test_repeats_are_dropped_by_default_and_kept_where_asked():
    dropped, last = Interactions.with_source_rows(*REPEATED)
    kept, rows = Interactions.with_source_rows(*REPEATED, repeats="keep")
    assert last.tolist() == [2, 3, 4]
    assert rows.tolist() == [0, 2, 3, 1, 4]
    assert kept.rating.tolist() == [1, 3, 4, 2, 5]
    assert dropped.fingerprint == Interactions.from_raw(*REPEATED).fingerprint
    assert kept.fingerprint != dropped.fingerprint
    assert (kept.has_repeats, dropped.has_repeats) == (True, False)
    assert kept.where(kept.user == 1).has_repeats
    assert not kept.where(np.arange(5) < 2).has_repeats


@pytest.mark.parametrize(
    ("repeats", "sessions", "of_the_second"),
    [("keep", [0, 0, 1, 2, 3], [2, 3]), ("drop", [0, 1, 2], [2])],
)
def test_a_session_is_one_users_and_follows_its_rows(repeats, sessions, of_the_second):
    ids = np.array(["a", "a", "a", "b", "b"], object)
    log, _ = Interactions.with_source_rows(*REPEATED, session=ids, repeats=repeats)
    plain, _ = Interactions.with_source_rows(*REPEATED, repeats=repeats)
    assert log.session.dtype == np.int32
    assert log.session.tolist() == sessions
    assert log.where(log.user == 1).session.tolist() == of_the_second
    assert plain.session is None
    assert log.fingerprint == plain.fingerprint


def test_sessions_are_numbered_alike_whatever_the_order_of_rows():
    ids = np.array(["z", "z", "a", "b", "b"], object)
    log, _ = Interactions.with_source_rows(*REPEATED, session=ids, repeats="keep")
    turned = [np.asarray(column)[::-1] for column in REPEATED]
    other, _ = Interactions.with_source_rows(*turned, session=ids[::-1], repeats="keep")
    assert log.session.tolist() == other.session.tolist() == [0, 1, 2, 3, 4]
