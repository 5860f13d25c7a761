"""What a model is asked so that it goes on with a session."""

import dataclasses

import pytest
from tests.serving.test_store import ANN, LIKE, LIST, RATING

from drrec.serving.records import History
from drrec.serving.sessions import query_of, reward_of, stars_of

HISTORY = History(ANN, (LIKE, RATING), (LIST,))
ITEMS = {"x/1", "y", "i", "j", "é/🎬"}


def test_all_that_happened_is_asked_with():
    query = query_of(HISTORY, {"ann"}, ITEMS | {"🎬"})
    assert (query.user, query.liked, query.disliked) == ("ann", ("x/1", "🎬"), ("y",))
    assert query.session == (("i", 1.0), ("é/🎬", -0.25))
    assert set(query.block) == {"x/1", "🎬", "y", "i", "j", "é/🎬"}
    kept = query_of(HISTORY, {"ann"}, ITEMS | {"🎬"}, keep_unanswered=True)
    assert set(query.block) - set(kept.block) == {"j"}


def test_what_a_model_does_not_know_is_left_out():
    query = query_of(HISTORY, {"bob"}, {"i", "y"})
    assert (query.user, query.liked, query.disliked) == (None, (), ("y",))
    assert query.session == (("i", 1.0),)
    assert set(query.block) == {"i", "y"}


@pytest.mark.parametrize(
    ("kind", "value", "reward"),
    [
        ("like", None, 1.0),
        ("dislike", None, -1.0),
        ("skip", None, 0.0),
        ("rating", 1.0, -1.0),
        ("rating", 4.0, 0.5),
    ],
)
def test_rewards_and_stars_are_of_one_scale(kind, value, reward):
    event = dataclasses.replace(LIKE, kind=kind, value=value)
    assert reward_of(kind, value) == reward
    assert stars_of(event) == 3 + 2 * reward
