"""How sessions open and what they show, against the same said in plain Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drrec.data.interactions import Interactions
from drrec.envs import sessions
from drrec.envs.sessions import Sessions, opening_and_rest
from drrec.errors import InputError

ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(1, 5)),
    min_size=1,
    max_size=60,
    unique_by=lambda row: row[:2],
)


def log(rows):
    """(user, item, rating) in the order of time; item i has dense id i + 1."""
    everything = rows + [(9, item, 3) for item in range(10)]
    users, items, ratings = zip(*everything, strict=True)
    return Interactions.from_raw(
        np.array(users).astype(str),
        np.array(items).astype(str),
        np.array(ratings, np.float32),
        np.arange(len(everything)),
    )


def rows_of(interactions):
    """{user: [(item, rating), …]} in the order of time."""
    found = {user: [] for user in range(interactions.num_users)}
    columns = (interactions.user, interactions.item, interactions.rating)
    for user, item, rating in zip(*(column.tolist() for column in columns), strict=True):
        found[user].append((item, rating))
    return found


def padded(items, length):
    return [0] * (length - len(items)) + items


@given(ROWS, st.sampled_from([0.1, 0.2, 0.25, 0.3, 0.5, 0.9]))
def test_past_and_future_divide_each_user_in_time(rows, share):
    whole = log(rows)
    past, future = (rows_of(part) for part in whole.past_and_future(share))
    for user, theirs in rows_of(whole).items():
        num_future = round(share * 100) * len(theirs) // 100
        cut = len(theirs) - num_future
        assert past[user] == theirs[:cut]
        assert future[user] == theirs[cut:]


@pytest.mark.parametrize(("share", "count", "num_future"), [(0.29, 100, 29), (0.57, 100, 57)])
def test_a_share_that_floats_get_wrong(share, count, num_future):
    rows = np.arange(count)
    whole = Interactions.from_raw(
        np.full(count, "u"), rows.astype(str), np.full(count, 4.0, np.float32), rows
    )
    assert len(whole.past_and_future(share)[1]) == num_future


@given(ROWS, st.integers(1, 4))
def test_the_opening_is_the_first_likes_and_the_rest_all_others(rows, state_size):
    whole = log(rows)
    opening, rest = (rows_of(part) for part in opening_and_rest(whole, state_size))
    for user, theirs in rows_of(whole).items():
        expected = [row for row in theirs if row[1] > 3][:state_size]
        assert opening[user] == expected
        assert rest[user] == [row for row in theirs if row not in expected]


@given(ROWS, st.integers(1, 4))
def test_sessions_open_with_the_last_likes_and_hand_out_the_shown(rows, state_size):
    known, shown = log(rows).past_and_future(0.5)
    sessions = Sessions.over(known, shown, state_size)
    playing = []
    for user, theirs in rows_of(shown).items():
        likes = [item for item, rating in rows_of(known)[user] if rating > 3]
        assert sessions.history[user].tolist() == padded(likes[-state_size:], state_size)
        handed_out = [item for item, _ in theirs]
        width = sessions.candidates.shape[1]
        assert sessions.candidates[user].tolist() == handed_out + [0] * (width - len(handed_out))
        if len(handed_out) >= 2:
            playing.append(user)
    assert sessions.playing.tolist() == playing
    assert {sessions.playing.dtype, sessions.history.dtype, sessions.candidates.dtype} == {
        np.dtype(np.int32)
    }


def test_nobody_to_play_with_is_refused():
    whole = log([(0, 1, 5)])
    with pytest.raises(InputError, match="at least two ratings to be shown") as caught:
        Sessions.over(whole, whole.where(whole.user < 1), 3)
    assert "--held-out" in str(caught.value)


def test_a_long_future_is_cut_to_its_beginning(monkeypatch):
    monkeypatch.setattr(sessions, "MOST_CANDIDATES", 4)
    whole = log([(0, item, 4) for item in range(3)])
    made = Sessions.over(whole.where(whole.user < 0), whole, 2)
    assert made.candidates.shape == (2, 4)
    np.testing.assert_array_equal(made.candidates[1], whole.item[whole.user == 1][:4])
    np.testing.assert_array_equal(made.candidates[0], [*whole.item[whole.user == 0], 0])
