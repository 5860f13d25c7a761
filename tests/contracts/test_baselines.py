"""What every baseline in the registry must hold; a newcomer is tested without being listed."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import tensorflow as tf

from drrec.baselines.sequential import recommenders
from drrec.data.interactions import Interactions
from drrec.evaluation.protocols.ranked import TIE
from drrec.evaluation.protocols.rated import rated
from drrec.registry import BASELINES
from drrec.types import Scorer

pytestmark = [
    pytest.mark.parametrize("name", BASELINES),
    pytest.mark.usefixtures("_in_python"),
]


@pytest.fixture(scope="module")
def _short(brief_training: None) -> Iterator[None]:
    config = functools.partial(
        recommenders.SequenceConfig, length=5, most_epochs=1, batch_size=1024
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recommenders, "SequenceConfig", config)
        yield


@pytest.fixture
def _in_python(name: str, _short: None) -> Iterator[None]:
    """So few updates are not worth a trace; Keras does so by itself where it fits."""
    tf.config.run_functions_eagerly(name != "pmf")
    yield
    tf.config.run_functions_eagerly(False)


def halves(interactions: Interactions) -> tuple[Interactions, Interactions]:
    is_test = interactions.position_from_end() < 12
    return interactions.where(~is_test), interactions.where(is_test)


@pytest.fixture(scope="module")
def train(tiny_interactions: Interactions) -> Interactions:
    return halves(tiny_interactions)[0]


@pytest.fixture(scope="module")
def fitted(train: Interactions) -> Callable[[str], Scorer]:
    """Each baseline fitted on `train` once, for some take seconds."""
    return functools.cache(lambda name: BASELINES[name]().fit(train))


@pytest.fixture(scope="module")
def partly(tiny_interactions: Interactions) -> Interactions:
    """What neither the first five users nor the last ten items have part in."""
    return tiny_interactions.where((tiny_interactions.user >= 5) & (tiny_interactions.item <= 70))


@pytest.fixture(scope="module")
def fitted_partly(partly: Interactions) -> Callable[[str], Scorer]:
    """Each baseline fitted on `partly` once."""
    return functools.cache(lambda name: BASELINES[name]().fit(partly))


def scores(model: Scorer, train: Interactions) -> np.ndarray:
    users = np.arange(train.num_users, dtype=np.int32)
    return model.score(users, train.liked_histories(10), None)


def test_scores_are_finite_float32_of_the_promised_shape(
    name: str, fitted: Callable[[str], Scorer], train: Interactions
) -> None:
    assert isinstance(fitted(name), Scorer)
    whole = scores(fitted(name), train)
    assert whole.shape == (train.num_users, train.num_items)
    assert whole.dtype == np.float32
    assert np.isfinite(whole[:, 1:]).all()
    assert len(np.unique(whole[0, 1:])) > 1


def test_candidates_are_scored_as_in_the_whole_catalogue(
    name: str, fitted: Callable[[str], Scorer], train: Interactions
) -> None:
    model = fitted(name)
    users = np.array([5, 0, 59, 5], np.int32)
    histories = train.liked_histories(10)[users]
    candidates = np.random.default_rng(0).integers(1, train.num_items, (4, 9)).astype(np.int32)
    some = model.score(users, histories, candidates)
    whole = model.score(users, histories, None)
    assert some.dtype == np.float32
    expected = np.take_along_axis(whole, candidates, axis=1)
    np.testing.assert_allclose(some, expected, rtol=1e-5, atol=1e-5)
    padded = model.score(users, histories, np.pad(candidates, ((0, 0), (0, 3))))
    np.testing.assert_allclose(padded[:, :9], some, rtol=1e-5, atol=1e-5)


def test_users_and_items_unknown_to_train_are_scored(
    name: str, fitted_partly: Callable[[str], Scorer], partly: Interactions
) -> None:
    whole = scores(fitted_partly(name), partly)
    assert np.isfinite(whole[:, 1:]).all()


def test_items_and_users_without_a_rating_are_alike(
    name: str, fitted_partly: Callable[[str], Scorer], partly: Interactions
) -> None:
    """Else their ids would rank cold items, and ids of catalogues follow popularity."""
    # Histories of `partly`: users who differ in theirs may well be told apart.
    whole = scores(fitted_partly(name), partly)
    if name != "random":
        tie = TIE * np.abs(whole[:, 1:]).max(axis=1)
        assert (np.ptp(whole[:, 71:], axis=1) <= tie).all()
        np.testing.assert_allclose(whole[:4, 1:], whole[1:5, 1:], atol=tie.max())


def test_a_log_that_only_says_who_took_what_and_again_is_learned_from_and_forgotten(
    name: str, fitted: Callable[[str], Scorer], train: Interactions
) -> None:
    """One rating throughout, no time, and every row twice: finite, and the log stays as it is.

    Fitted again it gives what a new one does. What is not in `train` no fit can see.
    """
    some = train.where(train.user < 20)
    columns = {
        "user": np.repeat(some.user, 2),
        "item": np.repeat(some.item, 2),
        "rating": np.full(2 * len(some), 5, np.float32),
        "timestamp": np.full(2 * len(some), 7, np.int64),
    }
    log = dataclasses.replace(train, **{key: value.copy() for key, value in columns.items()})
    model = BASELINES[name]()
    assert list(inspect.signature(model.fit).parameters) == ["train"]
    assert model.fit(log) is model
    assert np.isfinite(scores(model, log)[:, 1:]).all()
    for key, value in columns.items():
        np.testing.assert_array_equal(getattr(log, key), value)
    np.testing.assert_array_equal(scores(model.fit(train), train), scores(fitted(name), train))


def test_whoever_does_not_use_histories_does_not_depend_on_them(
    name: str,
    fitted: Callable[[str], Scorer],
    train: Interactions,
    tiny_interactions: Interactions,
) -> None:
    model = fitted(name)
    if not model.uses_history:
        users = np.arange(train.num_users, dtype=np.int32)
        empty = np.zeros((train.num_users, 10), np.int32)
        np.testing.assert_array_equal(model.score(users, empty, None), scores(model, train))
    assert len(rated(model, train, halves(tiny_interactions)[1]).users) == train.num_users


def test_whatever_predicts_ratings_is_nearer_to_them_than_their_mean(
    name: str, fitted: Callable[[str], Scorer], train: Interactions
) -> None:
    model = fitted(name)
    if not hasattr(model, "rating_offset"):
        return
    predicted = model.rating_offset + scores(model, train)[train.user, train.item]
    assert np.mean((predicted - train.rating) ** 2) < 0.8 * train.rating.var()
    assert abs(np.mean(predicted - train.rating)) < 0.1
