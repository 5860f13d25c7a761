"""Variational matrix factorisation on ratings whose rule is known."""

import numpy as np
import pytest

from drrec.data.interactions import Interactions
from drrec.embeddings.variational import fit_variational

U, I = 50, 60  # noqa: E741


def log(ratings, is_known):
    """The entries of `ratings [U, I]` where `is_known`; item i has dense id i + 1."""
    users, items = np.nonzero(is_known)
    made = Interactions.from_raw(
        users.astype(str), items.astype(str), ratings[users, items], np.arange(len(users))
    )
    assert made.num_users == len(ratings)
    assert made.num_items == ratings.shape[1] + 1
    return made


@pytest.fixture(scope="module")
def checkerboard():
    """Ratings 1 and 5 in a checkerboard, 30 % of them known; who and what is where is shuffled."""
    generator = np.random.default_rng(0)
    ratings = np.add.outer(generator.permutation(U) % 2, generator.permutation(I) % 2) % 2 * 4 + 1
    return ratings.astype(np.float32), generator.random((U, I)) < 0.3


@pytest.fixture(scope="module")
def fitted(checkerboard):
    return fit_variational(log(*checkerboard), dim=4)


def predictions(embeddings):
    return embeddings.mean + embeddings.user @ embeddings.item[1:].T


def test_a_checkerboard_is_recovered_where_it_was_not_seen(checkerboard, fitted):
    ratings, is_known = checkerboard
    predicted = predictions(fitted)[~is_known]
    assert ((predicted > 3) == (ratings[~is_known] > 3)).mean() > 0.99
    assert np.abs(predicted - ratings[~is_known]).mean() < 0.3


def test_planted_factors_are_recovered_through_noise():
    generator = np.random.default_rng(1)
    user, item = generator.normal(0, 1, (U, 2)), generator.normal(0, 1, (I, 2))
    ratings = (3 + user @ item.T + generator.normal(0, 0.3, (U, I))).astype(np.float32)
    is_known = generator.random((U, I)) < 0.5
    fitted = fit_variational(log(ratings, is_known), dim=6, noise_precision=10.0)
    held_out = predictions(fitted)[~is_known]
    error = np.sqrt(np.mean((held_out - ratings[~is_known]) ** 2))
    assert error < 0.5  # the noise alone is 0.3, the spread of the ratings 1.4


def test_padding_is_zero_and_the_rest_is_said_of_the_ratings(checkerboard, fitted):
    made = log(*checkerboard)
    assert not fitted.item[0].any()
    assert fitted.item.shape == (I + 1, 4)
    assert fitted.user.shape == (U, 4)
    assert fitted.item.dtype == fitted.user.dtype == np.float32
    assert fitted.mean == pytest.approx(made.rating.mean(), rel=1e-5)
    assert fitted.fingerprint == made.fingerprint


def test_same_seed_same_vectors_and_another_seed_others(checkerboard, fitted):
    again, other = (fit_variational(log(*checkerboard), dim=4, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(again.item, fitted.item)
    np.testing.assert_array_equal(again.user, fitted.user)
    assert np.abs(other.item - fitted.item).max() > 0.01


def test_going_on_from_a_start_keeps_the_axes(checkerboard):
    ratings, is_known = checkerboard
    generator = np.random.default_rng(2)
    some = is_known & (generator.random((U, I)) < 0.9)
    before = fit_variational(log(ratings, some), dim=4)
    warm = fit_variational(log(ratings, is_known), dim=4, start=before)
    anew = fit_variational(log(ratings, is_known), dim=4, seed=9)

    def turned(embeddings):
        """Mean cosine between an item's vector and the one it had before."""
        one, other = embeddings.item[1:], before.item[1:]
        lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        return float(np.mean(np.sum(one * other, axis=1) / lengths))

    assert turned(warm) > 0.98
    assert turned(anew) < 0.9
    assert np.abs(predictions(warm) - predictions(before)).mean() < 0.15


def test_a_rating_at_the_very_mean_is_evidence_too():
    # Half the users rate all items 5 and half 1; but on item 1 all agree on the mean, 3, so that
    # its residuals are zeros. Were they not counted, it would be expected to be like the others.
    ratings = np.tile(np.where(np.arange(U) % 2 == 0, 5.0, 1.0)[:, None], (1, I))
    ratings[:, 0] = 3.0
    fitted = fit_variational(log(ratings.astype(np.float32), np.ones((U, I), bool)), dim=2)
    assert fitted.mean == 3.0
    predicted = predictions(fitted)
    assert np.abs(predicted[:, 0] - 3).max() < 0.6  # drawn a little to the others, which are 2 off
    np.testing.assert_allclose(predicted[:, 1:], ratings[:, 1:], atol=0.2)


def test_who_and_what_has_no_ratings_gets_the_mean_of_the_others():
    generator = np.random.default_rng(4)
    liked, generous = generator.normal(0, 1, I), generator.normal(0, 0.7, U)
    noise = generator.normal(0, 0.5, (U, I))
    ratings = (3.5 + liked + generous[:, None] + noise).astype(np.float32)
    whole = log(ratings, generator.random((U, I)) < 0.5)
    no_user = fit_variational(whole.where(whole.user != 7), dim=3, num_sweeps=60)
    mean = np.delete(no_user.user, 7, axis=0).mean(axis=0)
    np.testing.assert_allclose(no_user.user[7], mean, atol=0.02)
    # The prior's mean plays the part of the items' biases: it knows what everybody likes.
    assert np.corrcoef(no_user.item[1:] @ no_user.user[7], liked)[0, 1] > 0.95
    no_item = fit_variational(whole.where(whole.item != 5), dim=3, num_sweeps=60)
    mean = np.delete(no_item.item[1:], 4, axis=0).mean(axis=0)
    np.testing.assert_allclose(no_item.item[5], mean, atol=0.02)
    assert np.corrcoef(no_item.user @ no_item.item[5], generous)[0, 1] > 0.95
