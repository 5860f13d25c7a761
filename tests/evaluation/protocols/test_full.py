"""The full protocol: places by hand, seen items, ties, batches."""

import numpy as np
import pytest
from tests.evaluation.stubs import Stub, log

from drrec.data.interactions import Interactions
from drrec.errors import InputError
from drrec.evaluation.protocols.full import FULL_METRICS, full, places


def leave_one_out(whole: Interactions) -> tuple[Interactions, Interactions]:
    is_test = whole.position_from_end() == 0
    return whole.where(~is_test), whole.where(is_test)


def by_item(users: np.ndarray, histories: np.ndarray, items: np.ndarray) -> np.ndarray:
    return items


def test_places_and_seen_items_by_hand() -> None:
    # User 1 has seen 27 … 30 of 30 items and is asked for 26; user 2 saw 30 and is asked for 20.
    rows = [(1, item, 5.0) for item in (27, 28, 29, 30, 26)]
    rows += [(2, 30, 1.0), (2, 20, 1.0), (3, 1, 5.0)]
    rows += [(4, item, 5.0) for item in range(1, 31)]
    whole = log(rows)
    is_test = np.isin(whole.timestamp, (4, 6))
    train, test = whole.where(~is_test), whole.where(is_test)
    stub = Stub(by_item, 31)
    masked = full(stub, train, test)
    assert masked.users.tolist() == [0, 1]
    assert tuple(masked.metrics) == FULL_METRICS
    # User 1: 26 is the highest unseen. User 2: 29 … 21 stand before 20, which is tenth.
    assert masked.metrics["hr@5"].tolist() == [1, 0]
    assert masked.metrics["hr@10"].tolist() == [1, 1]
    assert masked.metrics["mrr@10"] == pytest.approx([1, 1 / 10])
    assert masked.metrics["ndcg@10"] == pytest.approx([1, 1 / np.log2(11)])
    unmasked = full(stub, train, test, mask_seen=False)
    assert unmasked.metrics["mrr@20"] == pytest.approx([1 / 5, 1 / 11])
    assert unmasked.metrics["hr@10"].tolist() == [1, 0]
    assert all(call[2] is None for call in stub.calls)


def test_what_is_not_ranked_may_have_any_score() -> None:
    whole = log([(1, 1, 5.0), (1, 2, 5.0), (1, 3, 5.0)])
    train, test = leave_one_out(whole)
    stub = Stub(lambda users, histories, items: np.where(items == 3, 1, np.nan), 4)
    assert full(stub, train, test).metrics["hr@5"].tolist() == [1]
    with pytest.raises(InputError, match="Expected finite scores"):
        full(stub, train, test, mask_seen=False)


def test_histories_are_those_of_train() -> None:
    train, test = leave_one_out(log([(1, 1, 5.0), (1, 2, 2.0), (1, 3, 4.0), (1, 4, 5.0)]))
    stub = Stub(by_item, 5, uses_history=True)
    full(stub, train, test, state_size=3)
    assert [call[1].tolist() for call in stub.calls] == [[[0, 1, 3]]]


def test_places_follow_a_shuffle_among_equals() -> None:
    rng = np.random.default_rng(0)
    num_draws = 20_000
    scores = np.tile(np.array([2.0, 1.0, 1.0, 1.0, 0.0, -np.inf]), (num_draws, 1))
    place = places(scores, np.full(num_draws, 2), rng.random(num_draws))
    counts = np.bincount(place, minlength=6)
    assert counts[[0, 4, 5]].tolist() == [0, 0, 0]
    assert counts[1:4] / num_draws == pytest.approx([1 / 3] * 3, abs=0.02)
    assert (places(scores, np.full(num_draws, 0), rng.random(num_draws)) == 0).all()


@pytest.mark.parametrize("target", [1, 100])
def test_equal_scores_give_the_chance_level_for_the_least_and_the_greatest_id(target: int) -> None:
    rows = [(0, item, 3.0) for item in range(1, 101)]
    rows += [(user, target, 5.0) for user in range(1, 3001)]
    whole = log(rows)
    train, test = whole.where(whole.user == 0), whole.where(whole.user > 0)
    stub = Stub(lambda users, histories, items: np.zeros(()), 101)
    result = full(stub, train, test)
    assert result.metrics["hr@10"].mean() == pytest.approx(0.1, abs=0.025)
    assert result.metrics["hr@20"].mean() == pytest.approx(0.2, abs=0.03)
    other = full(stub, train, test, seed=1)
    assert (other.metrics["hr@10"] != result.metrics["hr@10"]).any()


def test_users_in_small_batches_get_the_same(
    monkeypatch: pytest.MonkeyPatch, tiny_interactions: Interactions
) -> None:
    train, test = leave_one_out(tiny_interactions)
    stub = Stub(lambda users, histories, items: (users * items) % 5, test.num_items)
    whole = full(stub, train, test)
    monkeypatch.setattr("drrec.scoring.MAX_SCORES", 7 * test.num_items)
    parts = full(stub, train, test)
    assert len(stub.calls) == 1 + 9
    for name in FULL_METRICS:
        np.testing.assert_array_equal(whole.metrics[name], parts.metrics[name])


def test_several_test_items_of_a_user_are_refused(tiny_interactions: Interactions) -> None:
    with pytest.raises(InputError, match="leave_one_out"):
        full(Stub(by_item, 81), tiny_interactions, tiny_interactions)


def test_no_test_items_are_refused(tiny_interactions: Interactions) -> None:
    nothing = tiny_interactions.where(np.zeros(len(tiny_interactions), bool))
    with pytest.raises(InputError, match="Expected at least one user"):
        full(Stub(by_item, 81), tiny_interactions, nothing)
