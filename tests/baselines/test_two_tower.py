"""The two-tower model on content: a planted taste, items without features, somebody new."""

import numpy as np
import pytest
from tests.baselines.test_content import NO_HISTORY, USERS, modality, taste

import drrec
from drrec.baselines.two_tower import TwoTower
from drrec.embeddings import contrast
from drrec.errors import InputError

COLD = np.arange(71, 81)


@pytest.fixture(scope="module", autouse=True)
def _brief():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contrast, "_STEPS", 100)
        patch.setattr(contrast, "_LEARNING_RATE", 1e-2)
        yield


@pytest.fixture(scope="module")
def train(tiny_interactions):
    """A log without the last ten items."""
    return tiny_interactions.where(~np.isin(tiny_interactions.item, COLD))


@pytest.fixture(scope="module")
def text(train):
    """What all items but two look like."""
    found = taste(train, 0.5)
    present = found.present & ~np.isin(np.arange(81), [3, 75])
    return found._replace(present=present)


@pytest.fixture(scope="module")
def model(train, text):
    return TwoTower({"text": text}).fit(train)


def test_a_planted_taste_reaches_items_that_nobody_rated(model):
    items = COLD[COLD != 75]
    scores = model.score(USERS, NO_HISTORY, np.tile(items.astype(np.int32), (60, 1)))
    suits = (USERS[:, None] < 30) == ((items[None] - 1) % 2 == 0)
    for user in range(60):
        assert scores[user][suits[user]].min() > scores[user][~suits[user]].max()


def test_an_item_without_features_is_an_average_one(model):
    scores = model.score(USERS, NO_HISTORY)
    assert (scores[:, [3, 75]] == 0).all()
    known = np.setdiff1d(np.arange(1, 71), 3)
    np.testing.assert_allclose(scores[:, known].mean(axis=1), 0, atol=1e-5)


def test_features_of_items_out_of_train_move_no_other(model, train, text):
    changed = text.features.copy()
    changed[80] *= -100
    other = TwoTower({"text": text._replace(features=changed)}).fit(train)
    one, two = (each.score(USERS, NO_HISTORY) for each in (model, other))
    np.testing.assert_array_equal(one[:, :80], two[:, :80])
    assert (one[:, 80] != two[:, 80]).any()


def test_somebody_new_who_likes_the_same_is_told_the_same(model, train):
    user = 7
    liked = train.item[(train.user == user) & train.liked]
    expected = model.score(np.array([user]), NO_HISTORY[:1])[0]
    found = model.recommend_for(train.items.raw[liked].tolist(), k=5)
    items = np.array([train.items.dense(item) for item in found["item"]])
    np.testing.assert_allclose(found["score"], expected[items], rtol=1e-5)
    unseen = np.delete(expected, [0, *liked])
    np.testing.assert_allclose(found["score"], np.sort(unseen)[::-1][:5], rtol=1e-5)


def test_a_dislike_alone_says_nothing(model, train):
    found = model.recommend_for([], k=3, disliked=[train.items.raw[5]])
    assert (found["score"] == 0).all()


def test_the_seed_decides(model, train, text):
    whole = model.score(USERS, NO_HISTORY)
    other = TwoTower({"text": text}, seed=1).fit(train).score(USERS, NO_HISTORY)
    assert model.is_random
    assert (whole != other).any()


def test_features_of_no_item_tell_nothing(train):
    nothing = modality(np.zeros((80, 4)), list(range(1, 81)))
    assert (TwoTower({"text": nothing}).fit(train).score(USERS, NO_HISTORY) == 0).all()


def test_without_features_it_says_so(train):
    with pytest.raises(InputError, match="Expected a data set with content features"):
        TwoTower().fit(train)
    with pytest.raises(ValueError, match="Expected at least one modality"):
        TwoTower({})


def test_a_saved_one_needs_no_features(model, tmp_path):
    model.save(tmp_path / "model.drrec")
    again = drrec.load(tmp_path / "model.drrec")
    np.testing.assert_array_equal(again.score(USERS, NO_HISTORY), model.score(USERS, NO_HISTORY))
