"""The lists that protocols keep: what is on them gives the metrics again."""

from collections.abc import Callable

import numpy as np
import pytest
from tests.evaluation.stubs import Stub, log

from drrec.data.interactions import Interactions
from drrec.evaluation.metrics import measured
from drrec.evaluation.protocols.candidates import LIST_LENGTH, PerUser, top_list
from drrec.evaluation.protocols.full import full
from drrec.evaluation.protocols.ranked import ranked
from drrec.evaluation.protocols.rated import rated
from drrec.evaluation.protocols.sampled import drawn, sampled

Judge = Callable[..., PerUser]


def divided(whole: Interactions, num_test: int) -> tuple[Interactions, Interactions]:
    is_test = whole.position_from_end() < num_test
    return whole.where(~is_test), whole.where(is_test)


def noisy(train: Interactions, num_values: int) -> Stub:
    values = np.random.default_rng(0).integers(0, num_values, (train.num_users, train.num_items))
    return Stub(lambda users, histories, items: values[users, items], train.num_items)


@pytest.mark.parametrize("num_values", [3, 1000], ids=["many ties", "few ties"])
@pytest.mark.parametrize(
    ("judge", "num_test", "names"),
    [
        (rated, 12, ["precision@10", "ndcg@5", "ndcg@10"]),
        (ranked, 12, ["hr@5", "ndcg@10", "recall@10", "mrr@10"]),
        (full, 1, ["hr@5", "ndcg@10", "mrr@10"]),
        (sampled, 1, ["hr@1", "ndcg@10", "mrr@10"]),
    ],
)
def test_lists_give_the_metrics_again(
    tiny_interactions: Interactions, judge: Judge, num_test: int, names: list[str], num_values: int
) -> None:
    train, test = divided(tiny_interactions, num_test)
    options = {"num_negatives": 19} if judge is sampled else {}
    result = judge(noisy(train, num_values), train, test, **options)
    assert result.lists is not None
    assert result.lists.shape == (len(result.users), LIST_LENGTH)
    relevant = test.where(test.rating >= 4) if num_test > 1 else test
    theirs = [set(relevant.item[relevant.user == user].tolist()) for user in result.users]
    hits = np.array(
        [[item in own for item in row] for own, row in zip(theirs, result.lists, strict=True)]
    )
    again = measured(hits, np.array(list(map(len, theirs))), names)
    for name in names:
        np.testing.assert_allclose(again[name], result.metrics[name])


@pytest.mark.parametrize("judge", [rated, ranked, full, sampled])
def test_lists_hold_the_best_candidates_in_order(
    tiny_interactions: Interactions, judge: Judge
) -> None:
    train, test = divided(tiny_interactions, 12 if judge in (rated, ranked) else 1)
    stub = Stub(lambda users, histories, items: items, train.num_items)
    options = {"num_negatives": 19} if judge is sampled else {}
    result = judge(stub, train, test, **options)
    assert result.lists is not None
    draws = drawn(train, test, seed=0, num_negatives=19) if judge is sampled else None
    for row, user in enumerate(result.users):
        if draws is not None:
            candidates = set(draws.items[row].tolist())
        elif judge is rated:
            candidates = set(test.item[test.user == user].tolist())
        else:
            seen = set(train.item[train.user == user].tolist())
            candidates = set(range(1, train.num_items)) - seen
        assert result.lists[row].tolist() == sorted(candidates, reverse=True)[:LIST_LENGTH]


@pytest.mark.parametrize("judge", [full, ranked])
def test_a_short_catalogue_leaves_places_empty(judge: Judge) -> None:
    rows = [(1, 1, 5.0), (1, 2, 5.0), (1, 3, 5.0), (2, 4, 5.0), (2, 5, 5.0), (2, 1, 5.0)]
    train, test = divided(log(rows), 1)
    stub = Stub(lambda users, histories, items: -items, train.num_items)
    lists = judge(stub, train, test).lists
    assert lists is not None
    assert lists.tolist() == [[3, 4, 5, *[0] * 7], [1, 2, 3, *[0] * 7]]


def test_top_list_pads_and_blanks() -> None:
    items, is_ranked = np.array([[4, 2, 9]]), np.array([[True, False, True]])
    assert top_list(items, is_ranked).tolist() == [[4, 0, 9, *[0] * 7]]
    many = np.arange(1, 25)[None]
    assert top_list(many, many > 0).tolist() == [list(range(1, 11))]
