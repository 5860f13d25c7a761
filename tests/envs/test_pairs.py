"""Looking rows up by user and item, against a dictionary."""

import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from drrec.data.interactions import Interactions
from drrec.envs.pairs import Pairs

ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=40, unique=True
)


@given(rows=ROWS)
def test_every_pair_is_found_and_no_other_users_without_rows_included(rows):
    everything = [(user, item) for user in range(6) for item in range(10)]
    users, items = zip(*everything, strict=True)
    log = Interactions.from_raw(
        np.array(users).astype(str),
        np.array(items).astype(str),
        np.zeros(60, np.float32),
        np.random.default_rng(len(rows)).permutation(60),
    )
    pairs = {(user, item + 1) for user, item in rows}
    given_pairs = zip(log.user.tolist(), log.item.tolist(), strict=True)
    log = log.where(np.array([pair in pairs for pair in given_pairs]))
    value = np.arange(len(log), dtype=np.float32) + 0.5
    expected = dict(zip(zip(log.user.tolist(), log.item.tolist(), strict=True), value, strict=True))
    table = Pairs(log)
    user, item = np.divmod(np.arange(6 * 11, dtype=np.int32), 11)
    place, is_there = table.find(tf.constant(user), tf.constant(item))
    found = tf.gather(table.column(value), place).numpy()
    for row, pair in enumerate(zip(user.tolist(), item.tolist(), strict=True)):
        assert bool(is_there[row]) == (pair in expected)
        if pair in expected:
            assert found[row] == expected[pair]
