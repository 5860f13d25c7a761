"""Neighbours against scikit-learn, predictions against plain loops, and the fallbacks."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestNeighbors

from drrec.baselines import neighbours
from drrec.baselines.collaborative import UserCF
from drrec.baselines.knn import UserKNN
from drrec.baselines.neighbours import biases
from drrec.data.interactions import Interactions

USERS = np.arange(60, dtype=np.int32)
NO_HISTORY = np.zeros((60, 10), np.int32)


def dense(interactions: Interactions) -> np.ndarray:
    ratings = np.full((interactions.num_users, interactions.num_items), np.nan)
    ratings[interactions.user, interactions.item] = interactions.rating
    return ratings


def twice(interactions: Interactions) -> Interactions:
    rows = np.repeat(np.arange(len(interactions)), 2)
    columns = ("user", "item", "rating", "timestamp")
    return dataclasses.replace(
        interactions, **{name: getattr(interactions, name)[rows] for name in columns}
    )


def test_user_knn_sums_over_scikit_learns_nearest_users(tiny_interactions: Interactions) -> None:
    taken = ~np.isnan(dense(tiny_interactions))
    search = NearestNeighbors(n_neighbors=8, metric="cosine").fit(taken.astype(float))
    distance, found = search.kneighbors()  # each user itself left out
    is_clear = distance[:, 7] - distance[:, 6] > 1e-9  # no tie for the seventh place
    assert is_clear.sum() > 50
    expected = np.einsum("uk,uki->ui", 1 - distance[:, :7], taken[found[:, :7]])
    scores = UserKNN(7, shrinkage=0).fit(tiny_interactions).score(USERS, NO_HISTORY)
    np.testing.assert_allclose(scores[is_clear], expected[is_clear], rtol=1e-5)


def test_user_cf_predicts_as_plain_loops_do(tiny_interactions: Interactions) -> None:
    model = UserCF(num_neighbours=6, shrinkage=3, bias_damping=2, smoothing=0.5)
    predicted = model.fit(tiny_interactions).score(USERS, NO_HISTORY)
    ratings = dense(tiny_interactions)
    level, bias = biases(tiny_interactions, 2)
    residual = ratings - level[:, None] - bias
    common = (~np.isnan(ratings)).astype(float) @ (~np.isnan(ratings)).T
    similarity = cosine_similarity(np.nan_to_num(residual)) * common / (common + 3)
    np.fill_diagonal(similarity, 0)
    for user in range(0, 60, 7):
        near = [v for v in np.argsort(-similarity[user])[:6] if similarity[user, v] > 0]
        for item in range(1, 81):
            raters = [v for v in near if not np.isnan(ratings[v, item])]
            opinion = sum(similarity[user, v] * residual[v, item] for v in raters)
            weight = 0.5 + sum(similarity[user, v] for v in raters)
            expected = level[user] + bias[item] + opinion / weight
            assert predicted[user, item] == pytest.approx(expected, abs=1e-5)


def test_a_planted_taste_is_recovered(tiny_interactions: Interactions) -> None:
    is_train = tiny_interactions.position_from_end() >= 5
    train, test = tiny_interactions.where(is_train), tiny_interactions.where(~is_train)
    predicted = UserCF().fit(train).score(USERS, NO_HISTORY)[test.user, test.item]
    liked = test.rating > 3
    assert predicted[liked].mean() > predicted[~liked].mean() + 1
    assert np.corrcoef(predicted, test.rating)[0, 1] > 0.7


def test_unknown_users_and_items_fall_back(tiny_interactions: Interactions) -> None:
    known = (tiny_interactions.user > 0) & (tiny_interactions.item != 80)
    train = tiny_interactions.where(known)
    model = UserCF().fit(train)
    predicted = model.score(USERS, NO_HISTORY)
    level, bias = biases(train, model.bias_damping)
    np.testing.assert_allclose(predicted[0], level[0] + bias, rtol=1e-6)
    np.testing.assert_allclose(predicted[:, 80], level, rtol=1e-6)
    assert not UserKNN().fit(train).score(USERS, NO_HISTORY)[0].any()


def test_blocks_of_users_do_not_matter(
    monkeypatch: pytest.MonkeyPatch, tiny_interactions: Interactions
) -> None:
    whole = UserCF().fit(tiny_interactions).score(USERS, NO_HISTORY)
    monkeypatch.setattr(neighbours, "MAX_SIMILARITIES", 7 * 60)
    np.testing.assert_array_equal(UserCF().fit(tiny_interactions).score(USERS, NO_HISTORY), whole)


@pytest.mark.parametrize("made", [UserKNN, lambda: UserCF(bias_damping=0)])
def test_a_row_that_comes_twice_counts_once(made: type, tiny_interactions: Interactions) -> None:
    once = made().fit(tiny_interactions).score(USERS, NO_HISTORY)
    again = made().fit(twice(tiny_interactions)).score(USERS, NO_HISTORY)
    np.testing.assert_allclose(again, once, rtol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [{"num_neighbours": 0}, {"shrinkage": -1}, {"bias_damping": -1}, {"smoothing": 0}],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"Expected .* Received: "):
        UserCF(**settings)  # type: ignore[arg-type]
    if set(settings) <= {"num_neighbours", "shrinkage"}:
        with pytest.raises(ValueError, match=r"Expected .* Received: "):
            UserKNN(**settings)  # type: ignore[arg-type]
