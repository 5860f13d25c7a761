"""What every agent and every baseline must hold for those who ask by their own ids."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from tests.contracts.models import EVERY, new

import drrec
from drrec.data.histories import items_of, liked_of, rewards_of
from drrec.errors import InputError, NotFittedError
from drrec.scoring import openings

each = pytest.mark.parametrize("name", EVERY)


@pytest.fixture(scope="module")
def data(catalogue):
    return catalogue


@pytest.fixture(scope="module")
def fitted(fitted_once):
    return fitted_once


@each
def test_it_recommends_what_is_new_best_first(name, fitted, data):
    log, users = data.interactions, data.interactions.users.raw[[7, 0, 30]]
    found = fitted(name).recommend(users, k=5)
    assert list(found.columns) == ["user", "item", "score", "rank"]
    assert found["user"].tolist() == [str(user) for user in users for _ in range(5)]
    assert found["rank"].tolist() == [1, 2, 3, 4, 5] * 3
    for user, own in found.groupby("user"):
        assert (np.diff(own["score"]) <= 0).all()
        seen = log.items.raw[log.item[log.user == log.users.dense(user)]]
        assert not set(own["item"]) & {*seen, ""}
        assert own["item"].is_unique
    scores = fitted(name).score(
        np.array([7], np.int32), openings(fitted(name), log, fitted(name).history_length)[[7]]
    )[0]
    best = log.items.dense(found["item"][0])
    assert found["score"][0] == pytest.approx(scores[best], rel=1e-5)


@each
def test_seen_items_and_lists_of_what_may_be_shown(name, fitted, data):
    model, user = fitted(name), str(data.interactions.users.raw[3])
    every = model.recommend([user], k=10**6, filter_seen=False)
    assert set(every["item"]) == set(data.interactions.items.raw[1:])
    allowed = data.interactions.items.raw[[4, 9, 30, 31]].tolist()
    some = model.recommend([user], k=9, filter_seen=False, allow=allowed, block=allowed[:1])
    assert set(some["item"]) == set(allowed[1:])
    assert model.recommend([], k=3).empty


@each
def test_somebody_new_is_asked_for_by_what_they_like(name, fitted, data):
    model, items = fitted(name), data.interactions.items.raw[[5, 6, 7, 40]].tolist()
    found = model.recommend_for(items[:3], k=6, disliked=items[3:])
    assert list(found.columns) == ["item", "score", "rank"]
    assert len(found) == 6
    assert not set(found["item"]) & set(items)
    assert np.isfinite(found["score"]).all()
    again = model.recommend_for(items[:3], k=6, disliked=items[3:])
    pd.testing.assert_frame_equal(found, again)
    cold = model.recommend_for([], k=4)
    assert len(cold) == 4
    before = model.recommend([data.interactions.users.raw[1]], k=3)
    model.recommend_for(items[:1])
    pd.testing.assert_frame_equal(before, model.recommend([data.interactions.users.raw[1]], k=3))


@each
def test_similar_items_leave_out_the_item_itself(name, fitted, data):
    item = str(data.interactions.items.raw[11])
    found = fitted(name).similar_items(item, k=4)
    assert list(found.columns) == ["item", "score", "rank"]
    assert len(found) == 4
    assert item not in set(found["item"])


@each
def test_loaded_equals_saved_bit_for_bit(name, fitted, data, tmp_path):
    model = fitted(name)
    model.save(tmp_path / "model.drrec")
    other = drrec.load(tmp_path / "model.drrec")
    assert type(other) is type(model)
    assert other.settings() == model.settings()
    users = np.arange(data.interactions.num_users, dtype=np.int32)
    histories = openings(model, data.interactions, model.history_length)
    np.testing.assert_array_equal(other.score(users, histories), model.score(users, histories))
    raw = data.interactions.users.raw[:9]
    pd.testing.assert_frame_equal(other.recommend(raw, k=4), model.recommend(raw, k=4))
    liked = data.interactions.items.raw[[3, 8]]
    pd.testing.assert_frame_equal(other.recommend_for(liked), model.recommend_for(liked))
    assert other.titles_of(liked) == model.titles_of(liked)


@each
def test_who_is_unknown_is_told_what_to_ask_instead(name, fitted, data):
    with pytest.raises(InputError, match=r"Received: 'nobody'.*recommend_for"):
        fitted(name).recommend(["nobody"])
    with pytest.raises(InputError, match=r"Expected a known item\. Received: 'nothing'"):
        fitted(name).recommend_for(["nothing"])
    with pytest.raises(InputError, match="`k` must be a whole number"):
        fitted(name).similar_items(data.interactions.items.raw[1], k=0)


@each
def test_unfitted_is_said_so(name, tmp_path):
    model = new(name)
    for ask in (
        lambda: model.recommend(["u01"]),
        lambda: model.recommend_for(["1"]),
        lambda: model.similar_items("1"),
        lambda: model.score(np.zeros(1, np.int32), np.zeros((1, 4), np.int32)),
        lambda: model.save(tmp_path / "model.drrec"),
    ):
        with pytest.raises(NotFittedError, match=r"Call fit\(train\) first"):
            ask()
    assert not (tmp_path / "model.drrec").exists()


def test_what_evaluates_nothing_or_splits_on_nothing_is_refused(data):
    with pytest.raises(InputError, match="`on` to be test or validation"):
        data.split(on="tset")
    with pytest.raises(InputError, match="at least one model"):
        drrec.evaluate({}, data.split()[1])


@each
def test_settings_are_arguments_and_unknown_ones_are_refused(name):
    model = new(name, seed=3)
    settings = model.settings()
    assert settings["seed"] == model.seed == 3
    assert type(model)(**settings).settings() == settings
    with pytest.raises((InputError, TypeError), match="no_such_setting"):
        new(name, no_such_setting=1)


def test_what_a_user_liked_is_told_apart_where_histories_hold_all(fitted, data):
    model, log = fitted("ddpg_feedback"), data.interactions
    own = openings(model, log, 4)
    assert model.reads_rewards
    assert own.dtype == np.int64
    for user in range(5):
        liked = log.items.raw[[item for item in liked_of(own)[user] if item]]
        assert model.liked_by(log.users.raw[user]) == [str(item) for item in liked[::-1]]
        assert len(liked) < 4 or (rewards_of(own)[user] > 0).all()


def test_somebodys_dislikes_are_read_as_dislikes_whatever_the_log_holds(data, monkeypatch):
    every = dataclasses.replace(
        data.interactions, rating=np.full(len(data.interactions), 5, np.float32)
    )
    tf.config.run_functions_eagerly(True)
    try:
        model = new("ddpg_feedback", embedding="implicit", popularity=0.0).fit(every, steps=4)
    finally:
        tf.config.run_functions_eagerly(False)
    asked = []
    monkeypatch.setattr(
        type(model._policy), "score", lambda _, u, h: asked.append(h) or np.zeros((1, 81))
    )
    items = every.items.raw[[5, 6, 40]].tolist()
    model.recommend_for(items[:2], disliked=items[2:])
    assert items_of(asked[0])[0].tolist() == [0, 40, 5, 6]
    assert rewards_of(asked[0])[0].tolist() == [0, -1, 1, 1]
