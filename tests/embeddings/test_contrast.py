"""Content vectors by contrast rank what nobody has taken up, and know nothing of the future."""

import dataclasses

import numpy as np
import pytest
from tests.brief import eagerly

from drrec.data.interactions import Interactions
from drrec.embeddings import content as teaching
from drrec.embeddings import contrast
from drrec.embeddings.config import HELD_OUT, ContentConfig, EmbeddingConfig
from drrec.embeddings.contrast import fit_contrast
from drrec.embeddings.pretrain import Content, pretrain
from drrec.features.store import Modality

NUM_USERS, NUM_ITEMS, COLD = 60, 90, 10
GROUP = np.arange(NUM_ITEMS + 1) % 3
"""Of items; users take up those of their own group alone."""


@pytest.fixture(scope="module", autouse=True)
def _brief():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contrast, "_STEPS", 150)
        patch.setattr(contrast, "_LEARNING_RATE", 1e-2)
        patch.setattr(teaching, "_MOST_ROUNDS", 2)
        yield


@pytest.fixture(scope="module")
def log():
    """Items 1 … 10 are nobody's."""
    rng = np.random.default_rng(0)
    rows = [
        (user, item)
        for user in range(NUM_USERS)
        for item in rng.choice(np.flatnonzero(GROUP[11:] == user % 3) + 11, 8, replace=False)
    ]
    user, item = map(np.array, zip(*rows, strict=True))
    every = Interactions.from_raw(
        np.append(user, np.zeros(COLD, int)),
        np.append(item, np.arange(1, COLD + 1)),
        np.full(len(user) + COLD, 5.0),
        np.arange(len(user) + COLD),
    )
    return every.where(every.item > COLD)


@pytest.fixture(scope="module")
def modalities():
    """One shows the group among noise; the other is noise and lacks for half of the items."""
    rng = np.random.default_rng(1)
    shows = rng.normal(size=(NUM_ITEMS + 1, 6)).astype(np.float32)
    shows[np.arange(NUM_ITEMS + 1), GROUP] += 4
    noise = rng.normal(size=(NUM_ITEMS + 1, 5)).astype(np.float32)
    present = np.arange(NUM_ITEMS + 1) > 0
    return [Modality(shows, present, "a"), Modality(noise, present & (GROUP != 9), "b")]


@pytest.fixture(scope="module")
def encoder(log, modalities):
    return fit_contrast(log, modalities, seed=0)


def test_items_that_nobody_has_are_ranked_by_whose_they_will_be(encoder, log, modalities):
    score = encoder.user_vectors(modalities, log) @ encoder.item_vectors(modalities).T
    cold = score[:, 1 : COLD + 1]
    own = GROUP[1 : COLD + 1] == (np.arange(NUM_USERS) % 3)[:, None]
    assert (cold[own].mean() - cold[~own].mean()) > cold.std()
    assert np.mean([(cold[u][own[u]].min() > cold[u][~own[u]].max()) for u in range(60)]) > 0.9


def test_an_item_without_content_is_an_average_one(encoder, log, modalities):
    without = [
        each._replace(present=each.present & (np.arange(NUM_ITEMS + 1) != 5)) for each in modalities
    ]
    assert not encoder.item_vectors(without)[5].any()
    assert encoder.item_vectors(modalities)[5].any()
    assert not encoder.item_vectors(modalities)[0].any()
    average = encoder.item_vectors(modalities)[COLD + 1 :].mean(axis=0)
    np.testing.assert_allclose(average, 0, atol=1e-5)


def test_a_user_without_likes_has_no_vector(encoder, log, modalities):
    assert not encoder.user_vectors(modalities, log.where(log.user != 3))[3].any()


def test_the_same_seed_gives_the_same_bits(encoder, log, modalities):
    again, other = (fit_contrast(log, modalities, seed=seed) for seed in (0, 1))
    for first, second in zip(encoder, again, strict=True):
        np.testing.assert_array_equal(first, second)
    assert (encoder.as_item != other.as_item).any()


def test_a_large_catalogue_is_drawn_from(encoder, log, modalities, monkeypatch):
    monkeypatch.setattr(contrast, "_MOST_ITEMS", 70)
    found = fit_contrast(log, modalities, seed=0)
    score = found.user_vectors(modalities, log) @ found.item_vectors(modalities)[1 : COLD + 1].T
    own = GROUP[1 : COLD + 1] == (np.arange(NUM_USERS) % 3)[:, None]
    assert score[own].mean() > score[~own].mean() + score.std() / 2


def test_halves_are_disjoint_whole_and_never_empty(log):
    liked = contrast._liked(log)
    given, asked = contrast._halves(liked, np.random.default_rng(0))
    np.testing.assert_array_equal((given + asked).toarray(), liked.toarray())
    assert given.multiply(asked).nnz == 0 or given.multiply(asked).max() == 0
    for half in (given, asked):
        assert (half.sum(axis=1) >= 1).all()


@pytest.fixture
def _quickly():
    """So few steps are not worth a trace."""
    with eagerly((contrast, "_STEPS", 10), (teaching, "_STEPS_A_ROUND", 1)):
        yield


@pytest.mark.usefixtures("_quickly")
def test_both_fits_have_it_in_the_first_columns_as_loud_as_asked(log, modalities):
    features = {"video": modalities[0], "text": modalities[1]}
    config = EmbeddingConfig(embedding="implicit", dim_emb=6, popularity=0.0)
    made = {}
    for weight in (0.0, 2.0):
        content = Content(ContentConfig(modality="video,text", contrast=weight), features)
        made[weight] = pretrain(log, config, 0, content)
    dim = contrast.DIM
    plain, more = made[0.0].final.table, made[2.0].final.table
    assert more.dim == plain.dim + dim
    prefix = made[2.0].prefix.table
    first = prefix.item[:, :dim] / np.maximum(np.abs(prefix.item[:, :dim]).max(axis=0), 1e-9)
    last = more.item[:, :dim] / np.maximum(np.abs(more.item[:, :dim]).max(axis=0), 1e-9)
    np.testing.assert_allclose(first, last, atol=1e-4)
    half = dataclasses.replace(more, item=more.item[:, :dim], user=more.user[:, :dim])
    rest = dataclasses.replace(more, item=more.item[:, dim:], user=more.user[:, dim:])
    assert half.spread(log) / rest.spread(log) == pytest.approx(2, rel=0.5)


@pytest.mark.usefixtures("_quickly")
def test_what_comes_later_moves_nothing_of_the_prefix_fit(log, modalities):
    config = EmbeddingConfig(embedding="implicit", dim_emb=6, popularity=0.0)
    content = Content(ContentConfig(modality="video", contrast=1.0), {"video": modalities[0]})
    _, future = log.past_and_future(HELD_OUT)
    later = np.isin(log.timestamp, future.timestamp)
    item = log.item.copy()
    item[later] = item[later][::-1]
    changed = dataclasses.replace(log, item=item)
    assert (changed.item != log.item).any()
    first, second = (pretrain(one, config, 0, content) for one in (log, changed))
    np.testing.assert_array_equal(first.prefix.table.item, second.prefix.table.item)
    np.testing.assert_array_equal(first.prefix.table.user, second.prefix.table.user)
    assert (first.final.table.user != second.final.table.user).any()
