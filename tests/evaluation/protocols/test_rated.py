"""The rated protocol by hand, with state feedback, ties, and whoever must be left out."""

import numpy as np
import pytest
from tests.evaluation.stubs import Stub, log

from drrec.data.histories import items_of, rewards_of
from drrec.data.interactions import Interactions
from drrec.errors import InputError
from drrec.evaluation.protocols import rated as rated_module
from drrec.evaluation.protocols.rated import RATED_METRICS, rated

NUM_ITEMS = 13
TRAIN = [(1, 1, 5), (1, 2, 2), (2, 3, 4), (2, 4, 5), (3, 5, 3)]
# User 1's item i, 5 … 12, is rated so that 6, 8 and 11 are relevant; user 2 has two relevant ones.
TEST = [
    *((1, item, 5.0 if item in (6, 8, 11) else 3.0) for item in range(5, 13)),
    *((2, item, 4.0 if item in (5, 12) else 3.5) for item in range(5, 13)),
    *((3, item, 1.0) for item in range(6, 13)),
]


def halves() -> tuple[Interactions, Interactions]:
    whole = log(TRAIN + TEST)
    is_train = whole.timestamp < len(TRAIN)
    return whole.where(is_train), whole.where(~is_train)


def by_item(users: np.ndarray, histories: np.ndarray, items: np.ndarray) -> np.ndarray:
    return items


def after_the_last_liked(users: np.ndarray, histories: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Nearest above the most recent liked item first."""
    last = histories[:, -1:]
    return np.where(items > last, 100 - items, -items)


def test_one_ranking_by_hand() -> None:
    train, test = halves()
    stub = Stub(by_item, NUM_ITEMS)
    result = rated(stub, train, test, min_items=8)
    assert result.users.tolist() == [0, 1]  # user 3 has too few, and none relevant
    assert len(stub.calls) == 1
    # User 1 is shown 12 11 10 9 8 7 6 5, user 2 the same: hits at 2, 5, 7 and at 1, 8.
    assert result.metrics["precision@5"] == pytest.approx([2 / 5, 1 / 5])
    assert result.metrics["precision@10"] == pytest.approx([3 / 10, 2 / 10])
    assert result.metrics["map"] == pytest.approx([(1 / 2 + 2 / 5 + 3 / 7) / 3, (1 + 2 / 8) / 2])
    gain = 1 / np.log2(np.arange(2, 12))
    assert result.metrics["ndcg@5"] == pytest.approx(
        [(gain[1] + gain[4]) / gain[:3].sum(), gain[0] / gain[:2].sum()]
    )


def test_the_logged_rating_moves_the_history_of_each_user_by_hand() -> None:
    train, test = halves()
    stub = Stub(after_the_last_liked, NUM_ITEMS, uses_history=True)
    result = rated(stub, train, test, min_items=8, state_size=2)
    assert result.users.tolist() == [0, 1]
    assert len(stub.calls) == rated_module.NUM_TURNS
    first, second = ([histories[row].tolist() for _, histories, _ in stub.calls] for row in (0, 1))
    # User 1 starts with item 1 alone. 5 is shown and disliked, 6 liked, 7 not, 8 liked, 9, 10 not,
    # 11 liked, 12 not; nothing is left then.
    assert first == [
        [0, 1], [0, 1], [1, 6], [1, 6], [6, 8], [6, 8], [6, 8], [8, 11], [8, 11], [8, 11],
    ]  # fmt: skip
    # User 2 likes all (3.5 > 3): what was shown last is the last of the history.
    assert second == [[3, 4], [4, 5], *([i - 1, i] for i in range(6, 13)), [11, 12]]
    # Shown 5 … 12: hits at 2, 4, 7 and, as 3.5 is liked but not relevant, at 1, 8.
    assert result.metrics["map"] == pytest.approx([(1 / 2 + 2 / 4 + 3 / 7) / 3, (1 + 2 / 8) / 2])


def test_who_reads_rewards_is_told_of_what_was_disliked_too() -> None:
    train, test = halves()
    stub = Stub(lambda u, h, i: -i * 1.0, NUM_ITEMS, uses_history=True, reads_rewards=True)
    rated(stub, train, test, min_items=8, state_size=2)
    for step, (_, histories, _) in enumerate(stub.calls[:8]):
        if step >= 2:
            assert items_of(histories)[0].tolist() == [step + 3, step + 4]
            ratings = [
                test.rating[(test.user == 0) & (test.item == i)][0] for i in (step + 3, step + 4)
            ]
            assert rewards_of(histories)[0].tolist() == [(rating - 3) / 2 for rating in ratings]


def test_feedback_changes_the_order_where_one_ranking_would_not() -> None:
    train, test = halves()

    def far_away(users: np.ndarray, histories: np.ndarray, items: np.ndarray) -> np.ndarray:
        return abs(items - histories[:, -1:])

    fixed = rated(Stub(far_away, NUM_ITEMS), train, test, min_items=8)
    moved = rated(Stub(far_away, NUM_ITEMS, uses_history=True), train, test, min_items=8)
    # Without feedback 12 11 10 9 8 7 6 5. With it 12, 11 (liked), then far from 11: 5, 6 (liked),
    # then far from 6: 10 9 8 7.
    assert fixed.metrics["map"][0] == pytest.approx((1 / 2 + 2 / 5 + 3 / 7) / 3)
    assert moved.metrics["map"][0] == pytest.approx((1 / 2 + 2 / 4 + 3 / 7) / 3)


def test_after_the_turns_the_rest_follows_by_the_last_scores() -> None:
    rows = [(1, item, 5.0 if item == 11 else 1.0) for item in range(1, 15)]
    test = log(rows)
    train = test.where(np.zeros(len(test), bool))
    turns = iter(range(99))

    def last_turn_only(users: np.ndarray, histories: np.ndarray, items: np.ndarray) -> np.ndarray:
        # Items 1 … 10 come in their order, and 11 … 14 in a new order only in the last turn.
        is_last = next(turns) == rated_module.NUM_TURNS - 1
        return np.where(items <= 10, 100 - items, items if is_last else -items)

    stub = Stub(last_turn_only, 15, uses_history=True)
    result = rated(stub, train, test)
    assert len(stub.calls) == rated_module.NUM_TURNS
    assert result.metrics["map"] == pytest.approx([1 / 14])


def test_equal_scores_give_the_chance_level_and_not_the_order_of_ids_or_time() -> None:
    # Relevant are exactly the items with the least ids, which are also the first in time.
    rows = [(user, item, 5.0 if item <= 4 else 1.0) for user in range(600) for item in range(1, 21)]
    test = log(rows)
    train = test.where(np.zeros(len(test), bool))
    for uses_history in (False, True):
        stub = Stub(lambda users, histories, items: np.zeros(()), 21, uses_history=uses_history)
        result = rated(stub, train, test)
        # 600 users × 5 places: the standard error of the mean share .2 is below .01.
        assert result.metrics["precision@5"].mean() == pytest.approx(0.2, abs=0.03)
        again = rated(stub, train, test)
        other = rated(stub, train, test, seed=1)
        assert (again.metrics["map"] == result.metrics["map"]).all()
        assert (other.metrics["map"] != result.metrics["map"]).any()


def test_users_in_small_batches_get_the_same(
    monkeypatch: pytest.MonkeyPatch, tiny_interactions: Interactions
) -> None:
    is_test = tiny_interactions.position_from_end() < 12
    train, test = tiny_interactions.where(~is_test), tiny_interactions.where(is_test)
    stub = Stub(
        lambda users, histories, items: (items + histories.sum(axis=1, keepdims=True)) % 7,
        test.num_items,
        uses_history=True,
    )
    whole = rated(stub, train, test)
    monkeypatch.setattr("drrec.scoring.MAX_CANDIDATES", 70)
    parts = rated(stub, train, test)
    assert len(stub.calls) > 2 * rated_module.NUM_TURNS
    assert tuple(whole.metrics) == RATED_METRICS
    for name in RATED_METRICS:
        np.testing.assert_allclose(whole.metrics[name], parts.metrics[name], rtol=1e-12)


def test_the_true_ratings_as_scores_are_perfect(tiny_interactions: Interactions) -> None:
    is_test = tiny_interactions.position_from_end() < 12
    train, test = tiny_interactions.where(~is_test), tiny_interactions.where(is_test)
    truth = np.zeros((test.num_users, test.num_items))
    truth[test.user, test.item] = test.rating
    for uses_history in (False, True):
        stub = Stub(lambda u, h, items: truth[u, items], test.num_items, uses_history=uses_history)
        result = rated(stub, train, test)
        for name in ("ndcg@5", "ndcg@10", "map"):
            assert result.metrics[name] == pytest.approx(1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("uses_history", [False, True])
def test_a_score_that_is_not_finite_is_refused(bad: float, uses_history: bool) -> None:
    train, test = halves()
    stub = Stub(
        lambda users, histories, items: np.where(items == 9, bad, items),
        NUM_ITEMS,
        uses_history=uses_history,
    )
    with pytest.raises(InputError, match="Expected finite scores from Stub"):
        rated(stub, train, test, min_items=8)


def test_the_score_of_padding_is_nobodys_business() -> None:
    rows = [(1, item, 4.0) for item in range(1, 12)] + [(2, item, 4.0) for item in range(1, 14)]
    test = log(rows)
    stub = Stub(lambda users, histories, items: np.where(items == 0, np.nan, items), 14)
    assert rated(stub, test.where(test.rating > 9), test).metrics["map"] == pytest.approx(1)


def test_no_user_left_is_refused() -> None:
    train, test = halves()
    with pytest.raises(InputError, match="Expected at least one user"):
        rated(Stub(by_item, NUM_ITEMS), train, test, min_items=9)


def test_scores_of_a_wrong_shape_are_refused() -> None:
    train, test = halves()

    class Narrow(Stub):
        def score(
            self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
        ) -> np.ndarray:
            return super().score(users, histories, candidates)[:, :1]

    with pytest.raises(InputError, match="Expected scores of shape"):
        rated(Narrow(by_item, NUM_ITEMS), train, test, min_items=8)
