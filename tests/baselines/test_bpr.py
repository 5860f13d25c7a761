"""The optimum by another optimiser, gradients by differences, negatives by counting."""

import functools
from collections.abc import Iterator

import numpy as np
import pytest
import scipy.optimize
import scipy.special
import scipy.stats

from drrec.baselines import bpr
from drrec.baselines.bpr import BPR
from drrec.data.interactions import Interactions

USERS = np.arange(60, dtype=np.int32)
NO_HISTORY = np.zeros((60, 10), np.int32)


def small() -> Interactions:
    """Five users, six items, fourteen rows; nobody has all."""
    rng = np.random.default_rng(1)
    is_taken = rng.random((5, 6)) < 0.5
    is_taken[:, 5] = [True, False, False, False, False]
    user, item = np.nonzero(is_taken)
    return Interactions.from_raw(user, item, np.ones(len(user)), np.arange(len(user)))


def triples(log: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """[T, 3] each row with each item that its user did not take, and [T] how likely it is drawn."""
    found, share = [], []
    for user, item in zip(log.user, log.item, strict=True):
        others = np.setdiff1d(np.arange(1, log.num_items), log.item[log.user == user])
        found += [(user, item, other) for other in others]
        share += [1 / len(others) / len(log)] * len(others)
    return np.array(found), np.array(share)


def objective(flat: np.ndarray, log: Interactions, dim: int, l2: float) -> float:
    """What is minimised: the expectation over a random triple of the loss of one update."""
    cut = log.num_users * dim
    user = flat[:cut].reshape(-1, dim)
    user = np.concatenate([user, np.ones((len(user), 1))], axis=1)
    item = flat[cut:].reshape(-1, dim + 1)
    (who, liked, other), share = triples(log)[0].T, triples(log)[1]
    p, q, r = user[who], item[liked], item[other]
    margin = np.einsum("td,td->t", p, q - r)
    squares = (p[:, :-1] ** 2).sum(1) + (q**2).sum(1) + (r**2).sum(1)
    return float(share @ (np.logaddexp(0, -margin) + l2 / 2 * squares))


def flat(model: BPR) -> np.ndarray:
    return np.concatenate([model._user[:, :-1].ravel(), model._item.ravel()]).astype(np.float64)


def test_it_comes_as_near_the_optimum_as_l_bfgs() -> None:
    log = small()
    judged = functools.partial(objective, log=log, dim=2, l2=0.02)
    start = np.random.default_rng(0).normal(0, 0.1, log.num_users * 2 + log.num_items * 3)
    best = scipy.optimize.minimize(judged, start, method="L-BFGS-B", options={"maxfun": 50_000})
    model = BPR(dim=2, num_epochs=1500, learning_rate=0.05, l2=0.02, batch_size=8).fit(log)
    assert judged(np.zeros_like(start)) == pytest.approx(np.log(2))
    assert best.fun < 0.9 * np.log(2)
    assert judged(flat(model)) == pytest.approx(best.fun, rel=0.01)


def test_the_gradient_is_that_of_finite_differences() -> None:
    """One update of all triples at once, against the slope of the objective."""
    log, dim, l2 = small(), 3, 0.1
    who, liked, other = triples(log)[0].T
    rng = np.random.default_rng(0)
    user = rng.normal(size=(log.num_users, dim + 1)).astype(np.float32)
    user[:, -1] = 1
    item = rng.normal(size=(log.num_items, dim + 1)).astype(np.float32)
    climbed = [np.zeros(user.shape), np.zeros(item.shape)]
    climbs = bpr.gradients(user, item, who, liked, other, l2)
    for table, (row, gradient) in zip(climbed, climbs, strict=True):
        np.add.at(table, row, gradient)

    def total(flat: np.ndarray) -> float:
        p = np.concatenate([flat[: user.size].reshape(user.shape)[:, :-1], user[:, -1:]], axis=1)
        q = flat[user.size :].reshape(item.shape)
        margin = np.einsum("td,td->t", p[who], q[liked] - q[other])
        squares = (p[who, :-1] ** 2).sum() + (q[liked] ** 2).sum() + (q[other] ** 2).sum()
        return float(np.log(scipy.special.expit(margin)).sum() - l2 / 2 * squares)

    at = np.concatenate([user.ravel(), item.ravel()]).astype(np.float64)
    slope = scipy.optimize.approx_fprime(at, total, 1e-6)
    found = np.concatenate([table.ravel() for table in climbed])
    np.testing.assert_allclose(found, slope, atol=1e-3)


def test_a_row_that_comes_again_climbs_by_the_sum() -> None:
    """Adagrad: the step is the rate times the gradient by the root of its mean square."""
    table = bpr._Table(np.zeros((4, 2), np.float32), np.zeros((4, 1), np.float32))
    gradient = np.array([[1, 2], [5, 5], [2, 2]], np.float32)
    table.step(np.array([2, 0, 2]), gradient, 0.1)
    root = np.sqrt((3**2 + 4**2) / 2)
    expected = [[0.1, 0.1], [0, 0], [0.3 / root, 0.4 / root], [0, 0]]
    np.testing.assert_allclose(table.value, expected, rtol=1e-6)
    table.step(np.array([0]), np.full((1, 2), 5, np.float32), 0.1)
    np.testing.assert_allclose(table.value[0], 0.1 + 0.1 / np.sqrt(2), rtol=1e-6)


def test_negatives_are_drawn_evenly_among_what_the_user_did_not_take() -> None:
    log = small()
    user = np.repeat(np.arange(5, dtype=np.int32), 4000)
    other = bpr._Untaken(log).drawn(user, np.random.default_rng(0))
    for who in range(5):
        expected = np.setdiff1d(np.arange(1, log.num_items), log.item[log.user == who])
        found, count = np.unique(other[user == who], return_counts=True)
        np.testing.assert_array_equal(found, expected)
        assert scipy.stats.chisquare(count).pvalue > 1e-3


def _epoch(log: Interactions) -> Iterator[tuple[np.ndarray, ...]]:
    return bpr._epoch(log, bpr._Untaken(log), np.random.default_rng(0), 64)


def test_an_epoch_holds_every_row_once(tiny_interactions: Interactions) -> None:
    batches = list(_epoch(tiny_interactions))
    user, item = (np.concatenate([batch[index] for batch in batches]) for index in (0, 1))
    order = np.lexsort((item, user))
    expected = np.lexsort((tiny_interactions.item, tiny_interactions.user))
    np.testing.assert_array_equal(user[order], tiny_interactions.user[expected])
    np.testing.assert_array_equal(item[order], tiny_interactions.item[expected])
    assert max(len(batch[0]) for batch in batches) == 64
    assert (np.diff(user) < 0).any()


def test_a_planted_taste_is_recovered(tiny_interactions: Interactions) -> None:
    """Of liked films alone: half of the users take even items, the others odd ones."""
    liked = tiny_interactions.where(tiny_interactions.liked)
    is_train = liked.position_from_end() >= 3
    train, test = liked.where(is_train), liked.where(~is_train)
    scores = BPR(dim=8).fit(train).score(USERS, NO_HISTORY)
    unseen = np.ones(scores.shape, bool)
    unseen[train.user, train.item] = False
    above = [
        (scores[user, item] > scores[user, 1:][unseen[user, 1:]]).mean()
        for user, item in zip(test.user, test.item, strict=True)
    ]
    assert np.mean(above) > 0.7


def test_seeds_differ(tiny_interactions: Interactions) -> None:
    first, second = (
        BPR(dim=4, num_epochs=1, seed=seed).fit(tiny_interactions).score(USERS, NO_HISTORY)
        for seed in (0, 1)
    )
    assert not np.allclose(first, second)


def test_whoever_took_all_stops_nothing() -> None:
    log = Interactions.from_raw(["a", "a", "b"], ["1", "2", "1"], np.ones(3), np.arange(3))
    scores = BPR(num_epochs=50).fit(log).score(np.arange(2), np.zeros((2, 5), np.int32))
    assert np.isfinite(scores).all()
    assert scores[1, 1] > scores[1, 2]


@pytest.mark.parametrize("name", ["dim", "num_epochs", "batch_size", "learning_rate", "l2"])
def test_settings_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"Expected .* Received: "):
        BPR(**{name: -1})
