"""The ranked protocol: by hand, by brute force, at chance; who is ranked and who is asked."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evaluation.stubs import Stub, log

from drrec.baselines.chance import Random
from drrec.data.dataset import Dataset
from drrec.data.interactions import Interactions
from drrec.errors import InputError
from drrec.evaluation.evaluate import evaluate
from drrec.evaluation.metrics import METRICS
from drrec.evaluation.protocols.ranked import (
    RANKED_METRICS,
    chance_level,
    cold_items,
    ranked,
)
from drrec.evaluation.protocols.topmost import top

NUM_ITEMS = 31


def halves(rows: list[tuple[int, int, float]], num_train: int) -> tuple[Interactions, Interactions]:
    whole = log(rows)
    is_train = whole.timestamp < num_train
    return whole.where(is_train), whole.where(~is_train)


def by_item(users: np.ndarray, histories: np.ndarray, items: np.ndarray) -> np.ndarray:
    return items


@pytest.fixture
def logs() -> tuple[Interactions, Interactions]:
    """User 1 saw 28 … 30 and goes on to like 26, 24 and 5; user 2 likes nothing; user 3 likes 9."""
    filler = [(4, item, 1.0) for item in range(1, NUM_ITEMS)]
    train = [*filler, (1, 28, 5.0), (1, 29, 2.0), (1, 30, 5.0), (2, 1, 5.0)]
    test = [(1, 26, 4.0), (1, 24, 5.0), (1, 5, 4.0), (1, 27, 3.5), (2, 2, 3.0), (3, 9, 5.0)]
    return halves(train + test, len(train))


def test_places_and_seen_items_by_hand(logs: tuple[Interactions, Interactions]) -> None:
    stub = Stub(by_item, NUM_ITEMS)
    result = ranked(stub, *logs)
    assert result.users.tolist() == [0, 2]
    assert tuple(result.metrics) == RANKED_METRICS
    assert len(stub.calls) == 1
    # User 1 is shown 27 26 25 24 …: hits at 2 and 4, and 5 at 23. User 3: 9 at 22.
    gain = 1 / np.log2(np.arange(2, 22))
    expected = (gain[1] + gain[3]) / gain[:3].sum()
    for cut in (5, 10, 20):
        assert result.metrics[f"ndcg@{cut}"] == pytest.approx([expected, 0])
        assert result.metrics[f"recall@{cut}"] == pytest.approx([2 / 3, 0])
        assert result.metrics[f"mrr@{cut}"] == pytest.approx([1 / 2, 0])
        assert result.metrics[f"hr@{cut}"].tolist() == [1, 0]
    unmasked = ranked(stub, *logs, mask_seen=False)
    assert unmasked.metrics["mrr@10"] == pytest.approx([1 / 5, 0])


def test_only_candidates_are_ranked_and_only_who_likes_one_is_asked(
    logs: tuple[Interactions, Interactions],
) -> None:
    stub = Stub(by_item, NUM_ITEMS)
    some = np.array([1, 4, 5, 6, 7, 24, 28])
    result = cold_items(stub, *logs, candidates=some)
    assert result.users.tolist() == [0]  # user 3's only liked item is none of them
    # 28 is seen: 24 7 6 5 4 1, fewer than the cuts.
    gain = 1 / np.log2(np.arange(2, 22))
    assert result.metrics["ndcg@10"] == pytest.approx((gain[0] + gain[3]) / gain[:2].sum())
    assert result.metrics["recall@20"] == pytest.approx(1)
    with pytest.raises(InputError, match="Expected at least one user"):
        cold_items(stub, *logs, candidates=np.array([1, 2, 3]))


def test_histories_are_those_of_train(logs: tuple[Interactions, Interactions]) -> None:
    stub = Stub(by_item, NUM_ITEMS, uses_history=True)
    ranked(stub, *logs, state_size=3)
    assert [call[1].tolist() for call in stub.calls] == [[[0, 28, 30], [0, 0, 0]]]


@given(st.integers(0, 2**32), st.integers(3, 30))
def test_as_a_plain_sort_says(seed: int, num_items: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.permutation(40 * (num_items + 1)).reshape(40, -1) / 7
    user, item = np.nonzero(rng.random((40, num_items)) < 0.6)
    rows = zip(user, item + 1, rng.integers(1, 6, len(user)).astype(float), strict=True)
    whole = log(rows)
    is_train = rng.random(len(whole)) < 0.4
    train, test = whole.where(is_train), whole.where(~is_train)
    if not (test.rating >= 4).any():
        return
    stub = Stub(lambda users, histories, items: scores[users, items], whole.num_items)
    result = ranked(stub, train, test)
    for row, one in enumerate(result.users.tolist()):
        seen = set(train.item[train.user == one].tolist())
        liked = set(test.item[(test.user == one) & (test.rating >= 4)].tolist())
        order = sorted(set(range(1, whole.num_items)) - seen, key=lambda i: -scores[one, i])
        hits = np.array([[*(each in liked for each in order), *[False] * 20]])
        for name in RANKED_METRICS:
            metric, cut = name.split("@")
            expected = METRICS[metric](hits[:, : int(cut)], np.array([len(liked)]))
            assert result.metrics[name][row] == pytest.approx(expected[0])


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 30))
def test_top_orders_by_score_and_equals_by_luck(seed: int, num_values: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, num_values, (5, size)).astype(float)
    scores[rng.random((5, size)) < 0.2] = -np.inf
    tie_noise = rng.random((5, size))
    expected = np.lexsort((tie_noise, -scores), axis=1)[:, :20]
    for tie in (0.0, 1e-6):
        np.testing.assert_array_equal(top(scores, tie_noise, np.full((5, 1), tie), 20), expected)
        noisy = scores + rng.uniform(0, tie / 2, (5, size))
        np.testing.assert_array_equal(top(noisy, tie_noise, np.full((5, 1), tie), 20), expected)


@pytest.mark.parametrize("liked", [range(1, 11), range(91, 101)], ids=["least ids", "greatest ids"])
def test_scores_that_say_nothing_stand_at_chance(liked: Any) -> None:
    rows = [(0, item, 3.0) for item in range(1, 101)]
    rows += [(user, item, 5.0) for user in range(1, 401) for item in liked]
    train, test = halves(rows, 100)
    chance = chance_level(train, test)
    rng = np.random.default_rng(0)
    equal = np.tile(rng.normal(size=16).astype(np.float32), (101, 1))
    users = rng.normal(size=(401, 16)).astype(np.float32)
    says_nothing = {
        "zero": lambda u, h, i: np.zeros(()),
        "rounding": lambda u, h, i: 1 + i * np.float32(1e-9),
        "equal vectors": lambda u, h, i: users[u[:, 0]] @ equal.T,
    }
    for name, score in says_nothing.items():
        result = ranked(Stub(score, 101), train, test)
        for metric in RANKED_METRICS:
            spread = result.metrics[metric].std() / 20
            difference = result.metrics[metric].mean() - chance.metrics[metric].mean()
            assert abs(difference) < 4 * spread, (name, metric)
        other = ranked(Stub(score, 101), train, test, seed=1)
        assert (other.metrics["ndcg@10"] != result.metrics["ndcg@10"]).any()


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 3))
def test_the_chance_level_is_the_mean_over_all_orders(num_liked: int, others: int, seen: int):
    size = min(num_liked + others, 7)
    num_liked = min(num_liked, size)
    rows = [(0, item, 3.0) for item in range(1, size + seen + 1)]
    rows += [(1, size + 1 + item, 1.0) for item in range(seen)]
    num_train = len(rows)
    rows += [(1, item, 4.0) for item in range(1, num_liked + 1)]
    train, test = halves(rows, num_train)
    result = chance_level(train, test)
    assert result.users.tolist() == [1]
    places = range(size)
    orders = np.array(
        [[i in liked for i in places] for liked in itertools.combinations(places, num_liked)]
    )
    hits = np.pad(orders, ((0, 0), (0, 20 - size)))
    assert tuple(result.metrics) == RANKED_METRICS
    for name, value in result.metrics.items():
        metric, cut = name.split("@")
        every = METRICS[metric](hits[:, : int(cut)], np.full(len(hits), num_liked))
        assert value == pytest.approx(every.mean())


@pytest.mark.parametrize("some", [None, np.arange(3, 60, 4)])
def test_random_reaches_the_chance_level(
    tiny_interactions: Interactions, some: np.ndarray | None
) -> None:
    is_test = tiny_interactions.position_from_end() < 12
    train, test = tiny_interactions.where(~is_test), tiny_interactions.where(is_test)
    chance = chance_level(train, test, candidates=some)
    drawn = [ranked(Random(seed).fit(train), train, test, candidates=some) for seed in range(100)]
    assert drawn[0].users.tolist() == chance.users.tolist()
    for name in RANKED_METRICS:
        means = [each.metrics[name].mean() for each in drawn]
        error = np.std(means) / 10
        assert abs(np.mean(means) - chance.metrics[name].mean()) < 4 * error + 1e-12


def test_users_in_small_batches_get_the_same(
    monkeypatch: pytest.MonkeyPatch, tiny_interactions: Interactions
) -> None:
    is_test = tiny_interactions.position_from_end() < 12
    train, test = tiny_interactions.where(~is_test), tiny_interactions.where(is_test)
    stub = Stub(lambda users, histories, items: (users * items) % 5, test.num_items)
    whole, level = ranked(stub, train, test), chance_level(train, test)
    monkeypatch.setattr("drrec.scoring.MAX_SCORES", 7 * test.num_items)
    parts, levels = ranked(stub, train, test), chance_level(train, test)
    assert len(stub.calls) > 2
    for name in RANKED_METRICS:
        np.testing.assert_allclose(whole.metrics[name], parts.metrics[name], rtol=1e-12)
        np.testing.assert_allclose(level.metrics[name], levels.metrics[name], rtol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_score_that_is_not_finite_is_refused(
    logs: tuple[Interactions, Interactions], bad: float
) -> None:
    stub = Stub(lambda users, histories, items: np.where(items == 9, bad, items), NUM_ITEMS)
    with pytest.raises(InputError, match="Expected finite scores from Stub"):
        ranked(stub, *logs)
    padding = Stub(lambda users, histories, items: np.where(items == 0, bad, items), NUM_ITEMS)
    assert ranked(padding, *logs).metrics["mrr@10"] == pytest.approx([1 / 2, 0])


def test_the_item_split_is_judged_among_its_cold_items_alone(tiny_dataset: Dataset) -> None:
    learned, asked = tiny_dataset.split("item", seed=1)
    cold = np.unique(asked.interactions.item)
    assert len(cold) == 16  # a fifth of 80
    assert not np.isin(learned.interactions.item, cold).any()
    assert len(learned.interactions) + len(asked.interactions) == len(tiny_dataset.interactions)
    num_items = tiny_dataset.interactions.num_items
    is_liked = np.zeros((tiny_dataset.interactions.num_users, num_items))
    is_liked[asked.interactions.user, asked.interactions.item] = asked.interactions.rating >= 4
    # What is not cold is scored highest, and must not be ranked.
    is_liked[:, ~np.isin(np.arange(num_items), cold)] = 2
    stub = Stub(lambda users, _, items: is_liked[users, items], num_items)
    found = evaluate({"knows": stub}, asked, "cold_items").means()
    np.testing.assert_allclose(found.loc["knows", ["ndcg@5", "ndcg@20", "recall@20"]], 1)
