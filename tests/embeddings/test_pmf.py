"""PMF by gradient descent: it learns what was planted, and its embeddings rank as it does."""

import functools

import keras
import numpy as np
import pytest
from tests.brief import brief_pmf

from drrec.embeddings import pmf
from drrec.embeddings.pmf import MatrixFactorisation, fit_pmf


@pytest.fixture(scope="module", autouse=True)
def _few_epochs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pmf, "_MOST_EPOCHS", 12)
        yield


def fit(log, seed=0, start=None):
    settings = {"learning_rate": 0.05, "l2": 2.0, "batch_size": 512}
    return fit_pmf(log, dim=4, **settings, seed=seed, start=start)


@pytest.fixture(scope="module")
def fitted(tiny_interactions):
    past, _ = tiny_interactions.past_and_future(0.2)
    return fit(past)


@pytest.fixture(scope="module")
def briefly(tiny_interactions):
    """Fits of two epochs by their seed, for what no long one shows."""
    past, _ = tiny_interactions.past_and_future(0.2)

    @functools.cache
    def fitted(seed):
        return fitted_onto(seed, None)

    def fitted_onto(seed, start):
        with pytest.MonkeyPatch.context() as patch:
            brief_pmf(patch)
            return fit(past, seed=seed, start=start)

    return fitted, fitted_onto


def test_learns_the_planted_taste_and_judges_what_it_has_not_seen(tiny_interactions, fitted):
    past, future = tiny_interactions.past_and_future(0.2)
    predicted = np.sum(fitted.user[future.user] * fitted.item[future.item], axis=1)
    # A bias of each user is left out of the vectors, so that users are judged one by one.
    right = [
        np.mean(
            np.sign(np.subtract.outer(predicted[theirs], predicted[theirs]))
            == np.sign(np.subtract.outer(future.rating[theirs], future.rating[theirs]))
        )
        for theirs in (future.user == user for user in range(60))
    ]
    assert np.mean(right) > 0.6
    is_same_parity = (np.arange(60) < 30)[future.user] == (future.item % 2 == 1)
    assert predicted[is_same_parity].mean() > predicted[~is_same_parity].mean() + 1.5
    assert fitted.mean == pytest.approx(past.rating.mean(), rel=1e-5)


def test_shapes_and_padding(tiny_interactions, fitted):
    assert fitted.item.shape == (tiny_interactions.num_items, 4)
    assert fitted.user.shape == (tiny_interactions.num_users, 4)
    assert fitted.item.dtype == fitted.user.dtype == np.float32
    assert not fitted.item[0].any()
    np.testing.assert_array_equal(fitted.user[:, -1], 1)
    past, _ = tiny_interactions.past_and_future(0.2)
    assert fitted.fingerprint == past.fingerprint


def test_another_seed_is_another_start(briefly):
    fitted, _ = briefly
    assert np.abs(fitted(1).item - fitted(0).item).max() > 1e-3


def test_embeddings_rank_as_the_model_does():
    model = MatrixFactorisation(6, 11, 3, mean=3.5, l2=0.1)
    users, items = (ids.ravel() for ids in np.meshgrid(np.arange(6), np.arange(11), indexing="ij"))
    model((users, items))
    for number, weight in enumerate(model.weights):
        weight.assign(np.random.default_rng(number).normal(size=weight.shape))
    predicted = np.array(model((users, items))).reshape(6, 11)[:, 1:]
    made = model.embeddings("fingerprint")
    dots = made.user @ made.item.T[:, 1:]
    np.testing.assert_array_equal(np.argsort(dots), np.argsort(predicted))
    # What is left out is the mean and a constant for each user.
    assert np.ptp(predicted - dots, axis=1).max() < 1e-5
    assert made.mean == 3.5


def test_the_model_by_its_formula_and_its_prior():
    model = MatrixFactorisation(2, 3, 2, mean=3.0, l2=0.5)
    inputs = (np.array([1]), np.array([2]))
    model(inputs)
    p, q = np.array([[0.0, 0.0], [1.0, 2.0]]), np.array([[0.0, 0.0], [0.0, 0.0], [3.0, -1.0]])
    model.user.embeddings.assign(p)
    model.item.embeddings.assign(q)
    model.user_bias.embeddings.assign([[0.0], [0.25]])
    model.item_bias.embeddings.assign([[0.0], [0.0], [-0.5]])
    np.testing.assert_allclose(model(inputs), [3.0 + 0.25 - 0.5 + 1.0])
    expected = 0.5 * (5 + 10) + 0.5 / 3 * (0.25**2 + 0.5**2)
    assert float(sum(model.losses)) == pytest.approx(expected)


def test_config_round_trip():
    model = MatrixFactorisation(6, 11, 3, mean=3.5, l2=0.1, name="given")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
    assert again.get_config() == model.get_config()
    assert (again.sizes, again.mean, again.l2) == (model.sizes, 3.5, 0.1)


def test_a_later_fit_is_turned_onto_the_axes_of_an_earlier_one(briefly):
    fitted, fitted_onto = briefly
    earlier, plain = fitted(0), fitted(1)
    turned = fitted_onto(1, earlier)
    np.testing.assert_allclose(
        turned.user @ turned.item.T, plain.user @ plain.item.T, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_array_equal(turned.user[:, -1], 1)

    def distance(table):
        return np.linalg.norm(table.item[:, :-1] - earlier.item[:, :-1])

    assert distance(turned) < 0.9 * distance(plain)
