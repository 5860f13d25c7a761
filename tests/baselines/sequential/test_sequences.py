"""Windows and histories against their plain definitions."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drrec.baselines.sequential.sequences import Seen, followed_by, windows
from drrec.data.interactions import IdMap, Interactions


def log_of(sequences):
    """A log in which user u took up `sequences[u]` in that order."""
    user = np.repeat(np.arange(len(sequences)), [len(s) for s in sequences]).astype(np.int32)
    item = np.array([i for s in sequences for i in s], np.int32)
    return Interactions(
        user=user,
        item=item,
        rating=np.full(len(item), 4, np.float32),
        timestamp=np.arange(len(item), dtype=np.int64),
        users=IdMap(np.arange(len(sequences)).astype(str)),
        items=IdMap(np.arange(31).astype(str)),
    )


sequences = st.lists(st.lists(st.integers(1, 30), max_size=9, unique=True), min_size=1, max_size=5)


@given(sequences, st.integers(1, 4))
def test_each_row_is_a_target_once_and_comes_after_its_own_past(given_sequences, length):
    made = windows(log_of(given_sequences), length)
    expected = []
    for s in given_sequences:
        padded = [0] * (-len(s) % length) + s
        before = [0] * (-len(s) % length) + [0, *s[:-1]]
        rows = [
            (before[k : k + length], padded[k : k + length]) for k in range(0, len(padded), length)
        ]
        expected += rows[::-1]
    assert made.item.tolist() == [row[0] for row in expected]
    assert made.target.tolist() == [row[1] for row in expected]


@given(sequences, st.integers(1, 4))
def test_latest_are_the_last_ones(given_sequences, length):
    expected = [([0] * length + s)[-length:] for s in given_sequences]
    assert log_of(given_sequences).histories(length).tolist() == expected


@given(sequences)
def test_seen_knows_pairs_and_no_others(given_sequences):
    log = log_of(given_sequences)
    if len(log):
        users = np.arange(len(given_sequences), dtype=np.int32)
        has = Seen.of(log).has(users, np.tile(np.arange(31), (len(users), 1)))
        for user, s in enumerate(given_sequences):
            assert np.flatnonzero(has[user]).tolist() == sorted(s)


def test_what_is_new_follows_and_the_oldest_leave():
    own = np.array([[0, 0, 1, 2], [3, 4, 5, 6], [0, 0, 0, 0]])
    histories = np.array([[0, 2, 7], [8, 6, 9], [0, 0, 0]])
    is_new = np.array([[0, 0, 1], [1, 0, 1], [0, 0, 0]], bool)
    joined = followed_by(own, histories, is_new)
    assert joined.tolist() == [[0, 1, 2, 7], [5, 6, 8, 9], [0, 0, 0, 0]]
