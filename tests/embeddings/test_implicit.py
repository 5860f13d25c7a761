import dataclasses

import numpy as np
import pytest

from drrec.data.interactions import Interactions
from drrec.embeddings.implicit import MOST_UNOBSERVED, WIDE, fit_implicit

NUM_BLOCKS, SIZE = 4, 10


@pytest.fixture(scope="module")
def blocks() -> Interactions:
    """40 users and 40 items in 4 blocks; who is in a block took up 6 of its 10 items."""
    rng = np.random.default_rng(1)
    rows = [
        (user, SIZE * (user // SIZE) + item)
        for user in range(NUM_BLOCKS * SIZE)
        for item in rng.choice(SIZE, 6, replace=False)
    ]
    users, items = np.array(rows).T
    return Interactions.from_raw(
        np.char.add("u", np.char.zfill(users.astype(str), 2)),
        np.char.add("i", np.char.zfill(items.astype(str), 2)),
        np.full(len(rows), 1.0),
        rng.permutation(len(rows)),
    )


def test_users_rank_what_is_left_of_their_block_first(blocks):
    assert blocks.num_items == NUM_BLOCKS * SIZE + 1
    fitted = fit_implicit(blocks, dim=4)
    score = fitted.user @ fitted.item.T
    score[:, 0] = -np.inf
    score[blocks.user, blocks.item] = -np.inf
    best = np.argsort(-score, axis=1)[:, : SIZE - 6]
    own_block = (best - 1) // SIZE == (np.arange(len(best)) // SIZE)[:, None]
    assert own_block.mean() == 1
    assert fitted.fingerprint == blocks.fingerprint
    assert fitted.mean == 0
    assert fitted.item.dtype == fitted.user.dtype == np.float32
    assert not fitted.item[0].any()


def solves(row, others, seen, l2, weight, confidence=None):
    """Whether a row is where the gradient of its own weighted, penalised error is zero."""
    confidence = np.where(seen, 1.0, weight) if confidence is None else confidence
    error = others @ row - seen
    penalty = l2 * (seen.sum() + weight * len(others))
    return np.abs(others.T @ (confidence * error) + penalty * row).max()


@pytest.fixture(params=["solved", "improved"])
def way(request, monkeypatch):
    """Narrow vectors are solved for, wide ones improved."""
    if request.param == "improved":
        monkeypatch.setattr("drrec.embeddings.implicit.WIDE", 1)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("l2", "weight"), [(0.01, MOST_UNOBSERVED), (0.1, 0.05)])
def test_each_row_solves_its_normal_equations(blocks, l2, weight):
    fitted = fit_implicit(blocks, dim=3, embedding_l2=l2, unobserved_weight=weight, num_sweeps=300)
    seen = np.zeros((blocks.num_users, blocks.num_items))
    seen[blocks.user, blocks.item] = 1
    item, user = fitted.item.astype(np.float64), fitted.user.astype(np.float64)
    for number in range(1, blocks.num_items):
        assert solves(item[number], user, seen[:, number], l2, weight) < 1e-5
    for number in range(blocks.num_users):
        assert solves(user[number], item[1:], seen[number, 1:], l2, weight) < 1e-3


@pytest.mark.usefixtures("way")
def test_who_took_up_nothing_gets_the_mean_and_what_nobody_took_up_nothing(blocks):
    left = blocks.where((blocks.user > 2) & (blocks.item != 7))
    fitted = fit_implicit(left, dim=4)
    np.testing.assert_allclose(
        fitted.user[:3], np.tile(fitted.user[3:].mean(axis=0), (3, 1)), rtol=1e-5, atol=1e-6
    )
    assert fitted.user[3:].std(axis=0).min() > 0.01
    assert not fitted.item[7].any()
    assert fitted.item[1:7].any(axis=1).all()


def test_the_absent_are_not_in_the_loss(blocks):
    """Users and items without rows change nothing for the others."""
    left = blocks.where(blocks.user < 35)
    padded = dataclasses.replace(
        left,
        items=dataclasses.replace(left.items, raw=np.append(left.items.raw, ["x", "y", "z"])),
    )
    start = fit_implicit(left, dim=3, num_sweeps=1)
    longer = dataclasses.replace(start, item=np.pad(start.item, ((0, 3), (0, 0))))
    one = fit_implicit(left, dim=3, start=start, num_sweeps=4)
    other = fit_implicit(padded, dim=3, start=longer, num_sweeps=4)
    np.testing.assert_allclose(other.item[:-3], one.item, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(other.user, one.user, rtol=1e-5, atol=1e-6)


def test_ratings_are_not_read(blocks):
    other = dataclasses.replace(blocks, rating=5 - blocks.rating)
    np.testing.assert_array_equal(fit_implicit(other, dim=3).item, fit_implicit(blocks, dim=3).item)


def test_a_start_keeps_the_axes_and_a_seed_turns_them(blocks):
    past, _ = blocks.past_and_future(0.2)
    early = fit_implicit(past, dim=3, seed=0)

    def cosine(other):
        return np.sum(early.item * other.item) / (
            np.linalg.norm(early.item) * np.linalg.norm(other.item)
        )

    assert cosine(fit_implicit(blocks, dim=3, start=early, seed=1)) > 0.9
    assert cosine(fit_implicit(blocks, dim=3, seed=1)) < 0.8
    np.testing.assert_array_equal(fit_implicit(past, dim=3, seed=0).user, early.user)


@pytest.mark.usefixtures("way")
def test_rows_are_solved_in_parts_alike(blocks, monkeypatch):
    whole = fit_implicit(blocks, dim=3)
    monkeypatch.setattr("drrec.embeddings.grams.ROWS_AT_ONCE", 7)
    monkeypatch.setattr("drrec.embeddings.implicit.IMPROVED_AT_ONCE", 7)
    np.testing.assert_allclose(fit_implicit(blocks, dim=3).item, whole.item, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("way")
def test_rows_count_by_their_weights(blocks):
    rng = np.random.default_rng(2)
    amount = rng.exponential(size=len(blocks)).astype(np.float32)
    weighted = dataclasses.replace(blocks, weight=amount / amount.mean())
    fitted = fit_implicit(weighted, dim=3, embedding_l2=0.1, num_sweeps=300)
    seen = np.zeros((blocks.num_users, blocks.num_items))
    seen[blocks.user, blocks.item] = 1
    confidence = np.full(seen.shape, MOST_UNOBSERVED)
    confidence[blocks.user, blocks.item] = weighted.weight
    item, user = fitted.item.astype(np.float64), fitted.user.astype(np.float64)
    for number in range(1, blocks.num_items):
        column = confidence[:, number]
        gap = solves(item[number], user, seen[:, number], 0.1, MOST_UNOBSERVED, column)
        assert gap < 1e-5
    alike = dataclasses.replace(blocks, weight=np.ones(len(blocks), np.float32))
    np.testing.assert_array_equal(fit_implicit(alike, dim=3).item, fit_implicit(blocks, dim=3).item)


def test_wide_vectors_end_near_the_least_loss(tiny_interactions, monkeypatch):
    log = tiny_interactions
    seen = np.zeros((log.num_users, log.num_items))
    seen[log.user, log.item] = 1
    counts = seen.sum(axis=1), seen.sum(axis=0)

    def loss(fitted):
        user, item = fitted.user.astype(np.float64), fitted.item.astype(np.float64)
        error = (np.where(seen, 1, MOST_UNOBSERVED) * (user @ item.T - seen) ** 2)[:, 1:].sum()
        users = (counts[0] + MOST_UNOBSERVED * (log.num_items - 1)) @ np.sum(user**2, axis=1)
        items = (counts[1] + MOST_UNOBSERVED * log.num_users) @ np.sum(item**2, axis=1)
        return error + 0.01 * (users + items)

    wide = loss(fit_implicit(log, dim=WIDE))
    monkeypatch.setattr("drrec.embeddings.implicit.WIDE", WIDE + 1)
    assert wide == pytest.approx(loss(fit_implicit(log, dim=WIDE)), rel=0.003)


def test_vectors_of_many_interactions_are_improved(blocks, monkeypatch):
    solved = fit_implicit(blocks, dim=8, num_sweeps=2)
    monkeypatch.setattr("drrec.embeddings.implicit.MANY", len(blocks) + 1)
    np.testing.assert_array_equal(fit_implicit(blocks, dim=8, num_sweeps=2).item, solved.item)
    monkeypatch.setattr("drrec.embeddings.implicit.MANY", len(blocks))
    improved = fit_implicit(blocks, dim=8, num_sweeps=2)
    assert not np.array_equal(improved.item, solved.item)


def sparse(num_items):
    """Users who took up 5 of the 80 items of their block each."""
    rng = np.random.default_rng(0)
    num_blocks = num_items // 80
    users = np.repeat(np.arange(15 * num_blocks), 5)
    block = np.repeat(rng.integers(num_blocks, size=15 * num_blocks), 5)
    drawn = [rng.choice(80, 5, replace=False) for _ in range(15 * num_blocks)]
    return Interactions.from_raw(
        users, 80 * block + np.concatenate(drawn), np.full(len(users), 5.0), np.arange(len(users))
    )


def test_a_large_catalogue_does_not_by_default_shrink_what_few_interactions_say():
    log = sparse(8_000)
    fitted = fit_implicit(log, dim=16, num_sweeps=8)
    shrunk = fit_implicit(log, dim=16, num_sweeps=8, unobserved_weight=MOST_UNOBSERVED)
    taken = [
        np.sum(one.user[log.user] * one.item[log.item], axis=1).mean() for one in (fitted, shrunk)
    ]
    assert taken[0] > 0.2
    assert taken[1] < 0.01


def test_a_small_catalogue_has_the_largest_default(tiny_interactions):
    given = fit_implicit(tiny_interactions, dim=3, unobserved_weight=MOST_UNOBSERVED)
    default = fit_implicit(tiny_interactions, dim=3)
    np.testing.assert_array_equal(given.item, default.item)
