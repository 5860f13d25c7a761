"""The sampled protocol: who is drawn, how often, in what order; places by hand; chance."""

import numpy as np
import pytest
from scipy import stats
from tests.evaluation.stubs import Stub, log

from drrec.baselines.chance import Random
from drrec.data.interactions import Interactions
from drrec.errors import InputError
from drrec.evaluation.metrics import METRICS
from drrec.evaluation.protocols.sampled import SAMPLED_METRICS, drawn, sampled, sampled_chance

SIZES = (9, 19, 30)


def leave_one_out(whole: Interactions) -> tuple[Interactions, Interactions]:
    is_test = whole.position_from_end() == 0
    return whole.where(~is_test), whole.where(is_test)


@pytest.fixture
def logs(tiny_interactions: Interactions) -> tuple[Interactions, Interactions]:
    return leave_one_out(tiny_interactions)


@pytest.mark.parametrize("size", SIZES)
def test_negatives_are_others_and_none_is_seen_or_drawn_twice(
    logs: tuple[Interactions, Interactions], size: int
) -> None:
    train, test = logs
    draws = drawn(train, test, seed=3, num_negatives=size)
    assert draws.items.shape == (len(draws.users), size + 1)
    for user, items, place in zip(*draws, strict=True):
        seen = set(train.item[train.user == user].tolist())
        assert items[place] == test.item[test.user == user].item()
        others = set(np.delete(items, place).tolist())
        assert len(others) == size
        assert others <= set(range(1, test.num_items)) - seen - {items[place]}
    again, other = (drawn(train, test, seed=s, num_negatives=size) for s in (3, 4))
    np.testing.assert_array_equal(draws.items, again.items)
    assert (draws.items != other.items).any()


def test_each_free_item_is_drawn_as_often_and_the_hidden_one_stands_anywhere() -> None:
    rows = [(0, item, 3.0) for item in range(1, 13)]
    rows += [(1, item, 5.0) for item in (1, 5, 6, 12, 8)]  # 8 is hidden; 2 3 4 7 9 10 11 are free
    train, test = leave_one_out(log(rows))
    test = test.where(test.user == 1)
    draws = [drawn(train, test, seed=seed, num_negatives=3) for seed in range(1400)]
    items = np.concatenate([each.items for each in draws]).ravel()
    counts = np.bincount(items, minlength=13)
    assert np.flatnonzero(counts).tolist() == [2, 3, 4, 7, 8, 9, 10, 11]
    assert stats.chisquare(counts[[2, 3, 4, 7, 9, 10, 11]]).pvalue > 0.001
    places = np.concatenate([each.place for each in draws])
    assert stats.chisquare(np.bincount(places, minlength=4)).pvalue > 0.001


@pytest.mark.parametrize("size", SIZES)
def test_places_are_those_of_a_plain_sort(
    logs: tuple[Interactions, Interactions], size: int
) -> None:
    values = np.random.default_rng(1).permutation(10_000).reshape(100, 100) / 3
    stub = Stub(lambda users, histories, items: values[users % 100, items % 100], 100)
    result = sampled(stub, *logs, seed=5, num_negatives=size)
    draws = drawn(*logs, seed=5, num_negatives=size)
    assert result.users.tolist() == draws.users.tolist()
    assert tuple(result.metrics) == SAMPLED_METRICS
    for row, (user, items, place) in enumerate(zip(*draws, strict=True)):
        order = sorted(items.tolist(), key=lambda item: -values[user % 100, item % 100])
        hits = np.array([[item == items[place] for item in order]])
        for name in SAMPLED_METRICS:
            metric, cut = name.split("@")
            expected = METRICS[metric](hits[:, : int(cut)], np.ones(1, int))
            assert result.metrics[name][row] == pytest.approx(expected[0])


def test_histories_are_those_of_train_and_all_methods_meet_the_same() -> None:
    rows = [(0, item, 1.0) for item in range(30)]  # who has too few left to take part
    train, test = leave_one_out(log([*rows, (1, 1, 5.0), (1, 2, 2.0), (1, 3, 4.0), (1, 4, 5.0)]))
    first, second = (Stub(lambda u, h, i: i, 32, uses_history=flag) for flag in (True, False))
    for stub in (first, second):
        sampled(stub, train, test, state_size=3, num_negatives=9)
    assert first.calls[0][1].tolist() == [[0, 2, 4]]  # raw items 1 and 3
    np.testing.assert_array_equal(first.calls[0][2], second.calls[0][2])


@pytest.mark.parametrize("size", SIZES)
def test_the_chance_level_is_what_says_nothing_reaches(
    logs: tuple[Interactions, Interactions], size: int
) -> None:
    train, test = logs
    chance = sampled_chance(train, test, num_negatives=size)
    assert tuple(chance.metrics) == SAMPLED_METRICS
    place = np.arange(1, 11)
    assert chance.metrics["hr@5"] == pytest.approx(5 / (size + 1))
    assert chance.metrics["mrr@10"] == pytest.approx((1 / place).sum() / (size + 1))
    assert chance.metrics["ndcg@10"] == pytest.approx((1 / np.log2(place + 1)).sum() / (size + 1))
    constant = Stub(lambda users, histories, items: np.zeros(()), test.num_items)
    for method in (lambda seed: Random(seed).fit(train), lambda seed: constant):
        drawn_ones = [
            sampled(method(seed), train, test, seed=seed, num_negatives=size) for seed in range(150)
        ]
        assert drawn_ones[0].users.tolist() == chance.users.tolist()
        for name in SAMPLED_METRICS:
            means = [each.metrics[name].mean() for each in drawn_ones]
            error = np.std(means) / np.sqrt(len(means))
            assert abs(np.mean(means) - chance.metrics[name].mean()) < 4 * error + 1e-12


def test_who_has_too_few_items_left_is_left_out() -> None:
    rows = [(1, item, 5.0) for item in range(1, 12)] + [(2, 1, 5.0), (2, 2, 5.0)]
    train, test = leave_one_out(log(rows))
    stub = Stub(lambda users, histories, items: items, 12)
    assert sampled(stub, train, test, num_negatives=9).users.tolist() == [1]
    assert sampled_chance(train, test, num_negatives=9).users.tolist() == [1]
    for call in (lambda n: sampled(stub, train, test, num_negatives=n),
                 lambda n: sampled_chance(train, test, num_negatives=n)):  # fmt: skip
        with pytest.raises(InputError, match="Expected at least one user"):
            call(10)
        with pytest.raises(InputError, match="Expected at least one negative"):
            call(0)


def test_several_test_items_are_refused(tiny_interactions: Interactions) -> None:
    is_test = tiny_interactions.position_from_end() < 2
    train, test = tiny_interactions.where(~is_test), tiny_interactions.where(is_test)
    with pytest.raises(InputError, match="at most one test item"):
        sampled(Random().fit(train), train, test)


def test_users_in_small_batches_get_the_same(
    monkeypatch: pytest.MonkeyPatch, logs: tuple[Interactions, Interactions]
) -> None:
    stub = Stub(lambda users, histories, items: (users * items) % 5, logs[1].num_items)
    whole = sampled(stub, *logs, num_negatives=19)
    monkeypatch.setattr("drrec.scoring.MAX_CANDIDATES", 70)
    parts = sampled(stub, *logs, num_negatives=19)
    assert len(stub.calls) > 2
    for name in SAMPLED_METRICS:
        np.testing.assert_array_equal(whole.metrics[name], parts.metrics[name])
