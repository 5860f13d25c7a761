"""Sequential rules against counting by hand."""

import collections

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import drrec
from drrec.baselines.sequential.rules import SequentialRules
from drrec.data.dataset import Dataset
from drrec.errors import InputError


def dataset_of(sequences):
    rows = [(f"u{u}", f"i{i}") for u, items in enumerate(sequences) for i in items]
    return Dataset.from_pandas(pd.DataFrame(rows, columns=["user", "item"]))


def by_hand(sequences, own, reach, num_last):
    """Scores by item id of somebody whose sequence is `own`, by the definition."""
    rules = collections.defaultdict(lambda: collections.defaultdict(float))
    for items in sequences:
        for first, before in enumerate(items):
            for distance in range(1, reach + 1):
                if first + distance < len(items):
                    rules[before][items[first + distance]] += 1 / distance
    found = collections.defaultdict(float)
    for place, before in enumerate(reversed(own[-num_last:]), start=1):
        total = sum(rules[before].values())
        for item, weight in rules[before].items():
            found[item] += weight / total / place
    return found


sequences = st.lists(
    st.lists(st.integers(0, 6), min_size=1, max_size=7, unique=True), min_size=1, max_size=6
)


@given(sequences, st.integers(1, 4), st.integers(1, 4))
def test_scores_are_those_of_the_definition(log, reach, num_last):
    data = dataset_of(log)
    model = SequentialRules(reach, num_last).fit(data)
    users, items = data.interactions.users, data.interactions.items
    found = model.score(np.arange(len(log), dtype=np.int32), np.zeros((len(log), 3), np.int32))
    for user, raw in enumerate(users.raw.tolist()):
        expected = by_hand(log, log[int(raw[1:])], reach, num_last)
        for item, name in list(enumerate(items.raw.tolist()))[1:]:
            assert found[user, item] == pytest.approx(expected[int(name[1:])], abs=1e-6)


def test_what_a_session_adds_comes_last_and_what_was_seen_is_not_added_again():
    log = [[0, 1], [2, 3], [0]]
    data = dataset_of(log)
    model = SequentialRules().fit(data)
    item = {raw: n for n, raw in enumerate(data.interactions.items.raw.tolist())}
    user = np.array([data.interactions.users.raw.tolist().index("u2")], np.int32)
    history = np.array([[item["i0"], item["i2"]]], np.int32)
    found = model.score(user, history)[0]
    assert (found[item["i3"]], found[item["i1"]]) == (1.0, 0.5)


def test_of_somebody_new_the_liked_items_count_in_their_order():
    model = drrec.SequentialRules(num_last=1).fit(dataset_of([[0, 1], [2, 3]]))
    assert model.recommend_for(["i0", "i2"], k=1)["item"].tolist() == ["i3"]
    assert model.recommend_for(["i2", "i0"], k=1)["item"].tolist() == ["i1"]


@pytest.mark.parametrize("settings", [{"reach": 0}, {"num_last": 0}, {"reach": 10**9}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InputError, match=r"`reach` and `num_last` must be in \[1, 1000\]"):
        SequentialRules(**settings)
