import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drrec.data.interactions import Interactions
from drrec.embeddings.evidence import Evidence, explicit_evidence, implicit_evidence, posterior
from drrec.embeddings.implicit import MOST_UNOBSERVED, fit_implicit
from drrec.embeddings.variational import NOISE_PRECISION


@st.composite
def logs(draw):
    """A few ratings of up to 5 users and 4 items, and who of them is left in train."""
    pairs = draw(
        st.lists(
            st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=12, unique=True
        )
    )
    ratings = draw(st.lists(st.integers(1, 5), min_size=len(pairs), max_size=len(pairs)))
    users, items = np.array(pairs).T
    log = Interactions.from_raw(
        users.astype(str), items.astype(str), np.array(ratings, float), np.arange(len(pairs))
    )
    keep = draw(st.lists(st.booleans(), min_size=len(log), max_size=len(log)))
    return log.where(np.array(keep) | (np.arange(len(log)) == 0))


def quadratic(evidence, item):
    """[I] c·A c − 2 b·c of each item's vector c."""
    curved = np.einsum("nd,nde,ne->n", item, evidence.information, item)
    return curved - 2 * (evidence.target * item).sum(axis=1)


def random_table(log, dim=3):
    rng = np.random.default_rng(0)
    return rng.normal(size=(log.num_users, dim)), rng.normal(size=(log.num_items, dim))


@given(logs(), st.floats(1, 5))
@settings(max_examples=40)
def test_explicit_evidence_is_the_squared_error_of_each_items_ratings(log, mean):
    user, item = random_table(log)
    expected = np.zeros(log.num_items)
    for u, i, rating in zip(log.user, log.item, log.rating, strict=True):
        residual = float(rating) - mean
        expected[i] += (residual - user[u] @ item[i]) ** 2 - residual**2
    found = quadratic(explicit_evidence(log, user, mean), item)
    np.testing.assert_allclose(found, NOISE_PRECISION * expected, rtol=1e-6, atol=1e-6)


@given(logs())
@settings(max_examples=40)
def test_implicit_evidence_is_the_weighted_error_over_all_pairs(log):
    user, item = random_table(log)
    observed = np.zeros((log.num_users, log.num_items), bool)
    observed[log.user, log.item] = True
    score = user @ item.T
    error = np.where(observed, (1 - score) ** 2 - 1, MOST_UNOBSERVED * score**2)
    error = error[observed.any(axis=1)].sum(axis=0)  # who took up nothing says nothing
    expected = np.where(observed.any(axis=0), error, 0)
    evidence = implicit_evidence(log, user, 0.0)
    found = quadratic(evidence, item)
    scale = found[expected != 0] / expected[expected != 0]
    np.testing.assert_allclose(scale, scale[0], rtol=1e-5)
    assert scale[0] > 0
    assert not found[~observed.any(axis=0)].any()
    assert not evidence.information[~observed.any(axis=0)].any()


def test_implicit_evidence_is_least_at_what_fit_implicit_finds(tiny_interactions):
    log = tiny_interactions.where(tiny_interactions.user < 40)
    fitted = fit_implicit(log, dim=4, embedding_l2=0.0, num_sweeps=5)
    evidence = implicit_evidence(log, fitted.user, fitted.mean)
    least = np.linalg.solve(evidence.information[1:], evidence.target[1:, :, None])[:, :, 0]
    np.testing.assert_allclose(least, fitted.item[1:], rtol=1e-3, atol=1e-4)


def random_evidence(num_items, strength, dim=3, seed=0):
    """Of `strength` ratings of random users about planted vectors, which are given, too."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(num_items, dim))
    users = rng.normal(size=(num_items, 20, dim))
    information = strength / 20 * np.einsum("nud,nue->nde", users, users)
    return Evidence(information, np.einsum("nde,ne->nd", information, truth)), truth


def test_where_picks_rows():
    evidence, _ = random_evidence(6, 1.0)
    some = evidence.where(np.array([4, 1]))
    np.testing.assert_array_equal(some.information, evidence.information[[4, 1]])
    np.testing.assert_array_equal(some.target, evidence.target[[4, 1]])


def test_what_is_expected_of_an_item_draws_the_rated_towards_the_others():
    evidence, truth = random_evidence(60, 5.0)
    evidence.information[::3], evidence.target[::3] = 0, 0
    is_rated = np.arange(60) % 3 > 0
    known = truth[is_rated]
    expected = evidence.expecting(truth)
    assert not expected.information[~is_rated].any()
    assert not expected.target[~is_rated].any()
    # The quadratic grows by the distance from the rated items' mean, in their deviations.
    away = np.random.default_rng(1).normal(size=truth.shape)
    from_mean = away - known.mean(axis=0)
    precision = np.linalg.inv(np.cov(known.T, ddof=0))
    distance = np.einsum("nd,de,ne->n", from_mean, precision, from_mean)
    nowhere = known.mean(axis=0) @ precision @ known.mean(axis=0)
    added = (quadratic(expected, away) - quadratic(evidence, away))[is_rated]
    np.testing.assert_allclose(added, distance[is_rated] - nowhere, rtol=1e-2)


def test_axes_that_items_do_not_use_stay_within_what_gradients_can_do():
    evidence, truth = random_evidence(60, 5.0)
    truth /= np.sqrt((truth**2).sum(axis=1).mean())
    truth[:, 1] = 1e-9 * truth[:, 1]
    conditions = np.linalg.cond(evidence.expecting(truth).information)
    assert conditions.max() < 1e5


def by_id(mean, spread, seed=1):
    return mean + spread * np.random.default_rng(seed).normal(size=mean.shape)


def test_much_evidence_is_believed_whatever_the_prior():
    evidence, truth = random_evidence(200, 1e8)
    far = np.full((200, 3), 7.0, np.float32)
    found = posterior(evidence, far)
    np.testing.assert_allclose(found, truth, atol=1e-3)
    assert found.dtype == np.float32


def test_without_evidence_the_prior_mean_stays_bit_for_bit():
    evidence, _ = random_evidence(50, 5.0)
    evidence.information[::2], evidence.target[::2] = 0, 0
    mean = np.random.default_rng(3).normal(size=(50, 3)).astype(np.float32)
    before = mean.copy()
    found = posterior(evidence, mean)
    np.testing.assert_array_equal(found[::2], mean[::2])
    assert (found[1::2] != mean[1::2]).any(axis=1).all()
    np.testing.assert_array_equal(mean, before)


@pytest.mark.parametrize("spread", [0.5, 2.0, np.array([0.4, 2.0])])
def test_ratings_and_content_are_weighed_as_bayes_would(spread):
    """True vectors are `spread` around what content says, which is found out by itself."""
    rng = np.random.default_rng(1)
    mean = rng.normal(size=(3000, 2))
    truth = by_id(mean, spread, seed=2)
    precision = 4.0
    noisy = truth + rng.normal(size=mean.shape) / precision**0.5
    information = np.tile(precision * np.eye(2), (len(mean), 1, 1))
    found = posterior(Evidence(information, precision * noisy), mean)
    weight = precision / (precision + np.asarray(spread) ** -2.0)
    np.testing.assert_allclose(found - mean, weight * (noisy - mean), atol=0.15)
    errors = [np.mean((each - truth) ** 2, axis=0) for each in (found, mean, noisy)]
    assert (errors[0] < np.minimum(errors[1], errors[2])).all()


def test_items_see_each_other_through_the_shared_precision_alone():
    evidence, truth = random_evidence(80, 5.0)
    mean = by_id(truth, 0.5, seed=2).astype(np.float32)
    found = posterior(evidence, mean)
    order = np.random.default_rng(4).permutation(80)
    again = posterior(evidence.where(order), mean[order])
    np.testing.assert_allclose(again, found[order], rtol=1e-4, atol=1e-5)
    # One that nobody rated says nothing of how far vectors lie around their content.
    evidence.information[79], evidence.target[79] = 0, 0
    without = posterior(evidence.where(np.arange(79)), mean[:79])
    np.testing.assert_allclose(posterior(evidence, mean)[:79], without, rtol=1e-5, atol=1e-6)
