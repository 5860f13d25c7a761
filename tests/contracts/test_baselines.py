"""What every baseline in the registry must hold; a newcomer is tested without being listed."""

import dataclasses
import inspect

import numpy as np
import pytest

from drrec.baselines import BASELINES
from drrec.data.interactions import Interactions
from drrec.evaluation.rated import rated
from drrec.types import Recommender

pytestmark = pytest.mark.parametrize("name", BASELINES)


def halves(interactions: Interactions) -> tuple[Interactions, Interactions]:
    is_test = interactions.position_from_end() < 12
    return interactions.where(~is_test), interactions.where(is_test)


def scores(model: Recommender, train: Interactions) -> np.ndarray:
    users = np.arange(train.num_users, dtype=np.int32)
    return model.score(users, train.liked_histories(10), None)


def test_is_a_recommender_that_fits_into_itself(name: str, tiny_interactions: Interactions) -> None:
    model = BASELINES[name]()
    assert isinstance(model, Recommender)
    assert model.fit(tiny_interactions) is model


def test_scores_are_finite_float32_of_the_promised_shape(
    name: str, tiny_interactions: Interactions
) -> None:
    train, _ = halves(tiny_interactions)
    whole = scores(BASELINES[name]().fit(train), train)
    assert whole.shape == (train.num_users, train.num_items)
    assert whole.dtype == np.float32
    assert np.isfinite(whole[:, 1:]).all()
    assert len(np.unique(whole[0, 1:])) > 1


def test_candidates_are_scored_as_in_the_whole_catalogue(
    name: str, tiny_interactions: Interactions
) -> None:
    train, _ = halves(tiny_interactions)
    model = BASELINES[name]().fit(train)
    users = np.array([5, 0, 59, 5], np.int32)
    histories = train.liked_histories(10)[users]
    candidates = np.random.default_rng(0).integers(1, train.num_items, (4, 9)).astype(np.int32)
    some = model.score(users, histories, candidates)
    whole = model.score(users, histories, None)
    assert some.dtype == np.float32
    np.testing.assert_allclose(
        some, np.take_along_axis(whole, candidates, axis=1), rtol=1e-5, atol=1e-5
    )
    padded = np.pad(candidates, ((0, 0), (0, 3)))
    np.testing.assert_allclose(
        model.score(users, histories, padded)[:, :9], some, rtol=1e-5, atol=1e-5
    )


def test_same_seed_same_scores(name: str, tiny_interactions: Interactions) -> None:
    train, _ = halves(tiny_interactions)
    first, second = (scores(BASELINES[name]().fit(train), train) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_fitting_again_forgets(name: str, tiny_interactions: Interactions) -> None:
    train, test = halves(tiny_interactions)
    model = BASELINES[name]().fit(test)
    np.testing.assert_array_equal(
        scores(model.fit(train), train), scores(BASELINES[name]().fit(train), train)
    )


def test_users_and_items_unknown_to_train_are_scored(
    name: str, tiny_interactions: Interactions
) -> None:
    known = (tiny_interactions.user >= 5) & (tiny_interactions.item <= 70)
    train = tiny_interactions.where(known)
    whole = scores(BASELINES[name]().fit(train), train)
    assert np.isfinite(whole[:, 1:]).all()


def test_test_ratings_are_out_of_reach(name: str, tiny_interactions: Interactions) -> None:
    assert list(inspect.signature(BASELINES[name]().fit).parameters) == ["train"]
    is_test = tiny_interactions.position_from_end() < 12
    scrambled = tiny_interactions.rating.copy()
    scrambled[is_test] = np.random.default_rng(0).permutation(scrambled[is_test])
    other = dataclasses.replace(tiny_interactions, rating=scrambled)
    first, second = (
        scores(BASELINES[name]().fit(log.where(~is_test)), log.where(~is_test))
        for log in (tiny_interactions, other)
    )
    np.testing.assert_array_equal(first, second)


def test_whoever_does_not_use_histories_does_not_depend_on_them(
    name: str, tiny_interactions: Interactions
) -> None:
    train, test = halves(tiny_interactions)
    model = BASELINES[name]().fit(train)
    if not model.uses_history:
        users = np.arange(train.num_users, dtype=np.int32)
        empty = np.zeros((train.num_users, 10), np.int32)
        np.testing.assert_array_equal(model.score(users, empty, None), scores(model, train))
    assert len(rated(model, train, test).users) == train.num_users
