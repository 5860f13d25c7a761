import dataclasses

import numpy as np
import pytest
from tests.evaluation.stubs import Stub, log

from drrec.errors import InputError
from drrec.serving.export import VERSION, Export
from drrec.serving.recommend import as_text, recommend

# Items 1 … 6; user 11 rated 1, 2, 3, user 12 all but 6.
RATINGS = [
    *((11, 1, 5), (11, 2, 1), (11, 3, 4)),
    *((12, item, 4) for item in range(1, 6)),
    (13, 6, 2),
]


@pytest.fixture
def export() -> Export:
    train = log(RATINGS)
    return Export(
        version=np.array(VERSION),
        dataset=np.array("hand"),
        fingerprint=np.array(""),
        users=train.users.raw,
        items=train.items.raw,
        titles=np.array(["", "One", "Two", "Three", "Four", "", "Six"]),
        history=train.liked_histories(2),
        seen_offsets=train.offsets,
        seen_items=train.item,
        user_vectors=np.zeros((3, 2), np.float32),
        item_vectors=np.zeros((7, 2), np.float32),
        weights={},
    )


def by_history(users, histories, items):
    """Items near the last liked one first."""
    return -np.abs(items - histories[:, -1:]).astype(float)


def policy():
    return Stub(by_history, 7, uses_history=True)


def items_of(found):
    return [each["item"] for each in found["items"]]


def test_the_best_unseen_items_in_order(export):
    found = recommend(export, policy(), "11", 2)
    assert found["user"] == "11"
    assert items_of(found) == ["4", "5"]
    assert found["items"][0] == {"item": "4", "title": "Four", "score": -1.0}
    assert found["liked"] == [{"item": "3", "title": "Three"}, {"item": "1", "title": "One"}]


def test_a_seen_item_and_padding_are_never_shown_and_fewer_are_if_fewer_are_left(export):
    assert items_of(recommend(export, policy(), "11", 100)) == ["4", "5", "6"]
    assert items_of(recommend(export, policy(), "12", 3)) == ["6"]


def test_who_has_seen_everything_gets_nothing(export):
    everything = np.arange(1, 7, dtype=np.int32)
    all_seen = dataclasses.replace(
        export, seen_items=np.tile(everything, 3), seen_offsets=np.arange(4) * 6
    )
    assert recommend(all_seen, policy(), "11", 5)["items"] == []


def test_of_proposals_no_more_than_these_are_ranked_and_none_that_was_seen(export):
    proposals = np.array([[6, 3, 4], [0, 0, 0], [0, 0, 0]], np.int32)
    chosen = dataclasses.replace(export, proposals=proposals)
    assert items_of(recommend(chosen, policy(), "11", 10)) == ["4", "6"]
    assert items_of(recommend(chosen, policy(), "12", 10)) == []


def test_who_liked_nothing_yet_is_served(export):
    found = recommend(export, policy(), "13", 2)
    assert found["liked"] == []
    assert items_of(found) == ["1", "2"]
    assert "nothing yet" in as_text(found)


def test_an_unknown_user_is_refused_with_the_nearest(export):
    with pytest.raises(
        InputError, match=r"Expected a known user\. Received: '112'\. Did you mean '12'"
    ):
        recommend(export, policy(), "112", 5)


@pytest.mark.parametrize("top_k", [0, -1])
def test_a_list_of_nothing_is_refused(export, top_k):
    with pytest.raises(InputError, match="`top_k` must be at least 1"):
        recommend(export, policy(), "11", top_k)


def test_text_names_items_by_title_or_else_by_id(export):
    text = as_text(recommend(export, policy(), "11", 2)).splitlines()
    assert text == [
        "User 11 liked, most recent first:",
        "  Three",
        "  One",
        "Recommended, with scores:",
        "    1. -1.000  Four (4)",
        "    2. -2.000  5 (5)",
    ]
