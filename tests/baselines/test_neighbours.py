"""Similarities against scikit-learn, predictions against plain loops, and the fallbacks."""

import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestNeighbors

from drrec.baselines import neighbours
from drrec.baselines.collaborative import ItemCF
from drrec.baselines.knn import ItemKNN
from drrec.baselines.neighbours import biases, nearest
from drrec.data.interactions import Interactions

USERS = np.arange(60, dtype=np.int32)
NO_HISTORY = np.zeros((60, 10), np.int32)


def dense(interactions: Interactions) -> np.ndarray:
    ratings = np.full((interactions.num_users, interactions.num_items), np.nan)
    ratings[interactions.user, interactions.item] = interactions.rating
    return ratings


def centred(interactions: Interactions) -> np.ndarray:
    ratings = dense(interactions)
    return np.nan_to_num(ratings - np.nanmean(ratings, axis=1, keepdims=True))


def test_similarities_equal_scikit_learns_cosine(tiny_interactions: Interactions) -> None:
    ratings = centred(tiny_interactions)
    ours = nearest(sp.csc_array(ratings), num_neighbours=1000, shrinkage=0).toarray()
    theirs = np.maximum(cosine_similarity(ratings.T), 0)
    np.fill_diagonal(theirs, 0)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_neighbours_equal_scikit_learns(tiny_interactions: Interactions) -> None:
    ratings = centred(tiny_interactions)
    ours = nearest(sp.csc_array(ratings), num_neighbours=5, shrinkage=0).toarray()
    items = np.arange(1, ratings.shape[1])
    search = NearestNeighbors(n_neighbors=5, metric="cosine").fit(ratings.T[1:])
    distance, found = search.kneighbors()  # each item itself left out
    for item, near, far in zip(items, found, distance, strict=True):
        assert set(np.flatnonzero(ours[:, item])) == set(items[near])
        np.testing.assert_allclose(ours[items[near], item], 1 - far, atol=1e-12)


def test_shrinkage_halves_at_as_many_common_users() -> None:
    ratings = sp.csc_array(np.array([[1.0, 2.0, 0.0], [1.0, 2.0, 1.0], [1.0, 2.0, 0.0]]))
    full = nearest(ratings, 2, 0).toarray()
    shrunk = nearest(ratings, 2, 3).toarray()
    assert full[0, 1] == pytest.approx(1)
    assert shrunk[0, 1] == pytest.approx(1 / 2)
    assert shrunk[0, 2] == pytest.approx(full[0, 2] / 4)


def test_blocks_do_not_matter(
    monkeypatch: pytest.MonkeyPatch, tiny_interactions: Interactions
) -> None:
    ratings = sp.csc_array(centred(tiny_interactions))
    whole = nearest(ratings, 5, 10).toarray()
    monkeypatch.setattr(neighbours, "MAX_SIMILARITIES", 7 * ratings.shape[1])
    np.testing.assert_allclose(nearest(ratings, 5, 10).toarray(), whole, atol=1e-15)


def test_biases_solve_the_least_squares(tiny_interactions: Interactions) -> None:
    known = tiny_interactions
    level, bias = biases(known, damping=0)
    residual = known.rating - level[known.user] - bias[known.item]
    sums = np.bincount(known.item, residual, known.num_items)
    np.testing.assert_allclose(sums, 0, atol=1e-9)
    by_user = np.bincount(known.user, residual, known.num_users) / known.counts()
    np.testing.assert_allclose(by_user, 0, atol=1e-3)
    _, damped = biases(known, damping=1e9)
    np.testing.assert_allclose(damped, 0, atol=1e-6)


def test_predictions_equal_plain_loops(tiny_interactions: Interactions) -> None:
    model = ItemCF(num_neighbours=4, shrinkage=3, bias_damping=2, smoothing=0.5)
    predicted = model.fit(tiny_interactions).score(USERS, NO_HISTORY)
    ratings = dense(tiny_interactions)
    level, bias = biases(tiny_interactions, 2)
    deviation = np.nan_to_num(ratings - level[:, None])
    common = (~np.isnan(ratings)).astype(float).T @ ~np.isnan(ratings)
    similarity = cosine_similarity(deviation.T) * common / np.maximum(common + 3, 1)
    np.fill_diagonal(similarity, 0)
    for user, item in ((0, 1), (3, 40), (59, 80), (30, 7)):
        opinion, weight = 0.0, 0.5
        for near in np.argsort(-similarity[item])[:4]:
            if similarity[item, near] > 0 and not np.isnan(ratings[user, near]):
                residual = ratings[user, near] - level[user] - bias[near]
                opinion += similarity[item, near] * residual
                weight += similarity[item, near]
        expected = level[user] + bias[item] + opinion / weight
        assert predicted[user, item] == pytest.approx(expected, abs=1e-5)


def test_plain_cosine_compares_the_ratings_as_they_are(tiny_interactions: Interactions) -> None:
    model = ItemCF(num_neighbours=4, shrinkage=0, smoothing=0.5, similarity="cosine")
    predicted = model.fit(tiny_interactions).score(USERS, NO_HISTORY)
    ratings = dense(tiny_interactions)[:, 1:]  # scikit-learn has no item of padding
    level, bias = biases(tiny_interactions, model.bias_damping)
    residual = np.nan_to_num(ratings - level[:, None] - bias[1:])
    search = NearestNeighbors(n_neighbors=4, metric="cosine").fit(np.nan_to_num(ratings).T)
    distance, found = search.kneighbors()
    near = np.where(np.isnan(ratings[:, found]), 0, 1 - distance)  # [U, I, 4]
    opinion = (near * residual[:, found]).sum(axis=2) / (near.sum(axis=2) + 0.5)
    expected = level[:, None] + bias[1:] + opinion
    np.testing.assert_allclose(predicted[:, 1:], expected, atol=1e-5)


@pytest.mark.parametrize("made", [ItemKNN, lambda: ItemCF(bias_damping=0)])
def test_a_row_that_comes_twice_counts_once(made: type, tiny_interactions: Interactions) -> None:
    rows = np.repeat(np.arange(len(tiny_interactions)), 2)
    columns = ("user", "item", "rating", "timestamp")
    twice = dataclasses.replace(
        tiny_interactions, **{name: getattr(tiny_interactions, name)[rows] for name in columns}
    )
    once = made().fit(tiny_interactions).score(USERS, NO_HISTORY)
    np.testing.assert_allclose(made().fit(twice).score(USERS, NO_HISTORY), once, rtol=1e-5)


def test_a_planted_taste_is_recovered(tiny_interactions: Interactions) -> None:
    is_train = tiny_interactions.position_from_end() >= 5
    train, test = tiny_interactions.where(is_train), tiny_interactions.where(~is_train)
    predicted = ItemCF(shrinkage=5).fit(train).score(USERS, NO_HISTORY)[test.user, test.item]
    liked = test.rating > 3
    assert predicted[liked].mean() > predicted[~liked].mean() + 1
    assert np.corrcoef(predicted, test.rating)[0, 1] > 0.7


def test_unknown_users_and_items_fall_back_to_the_biases(tiny_interactions: Interactions) -> None:
    known = (tiny_interactions.user > 0) & (tiny_interactions.item != 80)
    train = tiny_interactions.where(known)
    model = ItemCF().fit(train)
    predicted = model.score(USERS, NO_HISTORY)
    level, bias = biases(train, model.bias_damping)
    assert level[0] == pytest.approx(train.rating.mean())
    np.testing.assert_allclose(predicted[0], level[0] + bias, rtol=1e-6)
    np.testing.assert_allclose(predicted[:, 80], level, rtol=1e-6)


def test_item_knn_sums_the_cosines_of_rated_items(tiny_interactions: Interactions) -> None:
    rated = ~np.isnan(dense(tiny_interactions))
    cosine = cosine_similarity(rated.T.astype(float))
    np.fill_diagonal(cosine, 0)
    scores = ItemKNN(num_neighbours=100).fit(tiny_interactions).score(USERS, NO_HISTORY)
    np.testing.assert_allclose(scores, rated @ cosine, rtol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"num_neighbours": 0},
        {"shrinkage": -1},
        {"bias_damping": -1},
        {"smoothing": 0},
        {"similarity": "pearson"},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"Expected .* Received: "):
        ItemCF(**settings)  # type: ignore[arg-type]
    if set(settings) <= {"num_neighbours", "shrinkage"}:
        with pytest.raises(ValueError, match=r"Expected .* Received: "):
            ItemKNN(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("shrinkage", [0, 20])
@pytest.mark.parametrize("num_neighbours", [3, 1000])
def test_a_large_catalogue_has_the_same_neighbours(
    tiny_interactions: Interactions,
    monkeypatch: pytest.MonkeyPatch,
    num_neighbours: int,
    shrinkage: float,
) -> None:
    ratings = centred(tiny_interactions) * (dense(tiny_interactions) > 0)
    noise = np.random.default_rng(0).uniform(0, 1e-3, ratings.shape)  # so that none are as near
    columns = sp.csc_array(np.where(ratings != 0, ratings + noise, 0))
    whole = nearest(columns, num_neighbours, shrinkage).toarray()
    monkeypatch.setattr(neighbours, "SPARSE_FROM", 1)
    monkeypatch.setattr(neighbours, "MAX_SIMILARITIES", 5000)  # several blocks
    sparse = nearest(columns, num_neighbours, shrinkage).toarray()
    assert (whole > 0).sum() > 200
    np.testing.assert_allclose(sparse, whole, atol=1e-12)


def test_of_neighbours_as_near_those_of_lower_id_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "SPARSE_FROM", 1)
    alike = sp.csc_array(np.ones((4, 6)))
    found = nearest(alike, 2, 0).toarray()
    assert [np.flatnonzero(found[:, item]).tolist() for item in range(3)] == [
        [1, 2],
        [0, 2],
        [0, 1],
    ]
