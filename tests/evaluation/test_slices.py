"""Slices: who is in which third, and what each third is worth, by hand and against the whole."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evaluation.stubs import Stub, log, planted

from drrec.baselines.chance import Random
from drrec.baselines.popularity import Popularity
from drrec.data.interactions import Interactions
from drrec.evaluation.metrics import measured
from drrec.evaluation.protocols.full import full
from drrec.evaluation.protocols.ranked import ranked
from drrec.evaluation.protocols.rated import rated
from drrec.evaluation.result import Background, Evaluation
from drrec.evaluation.slices import slices, thirds


def results_of(train: Interactions, test: Interactions, protocol: str, *seeds: int) -> Evaluation:
    judge = {"full": full, "rated": rated, "ranked": ranked}[protocol]
    found = {}
    for seed in seeds or (0,):
        noise = Stub(lambda u, h, i, seed=seed: np.cos(u * 7 + i * i + seed), train.num_items)
        fitted = {"popularity": Popularity().fit(train), "random": Random().fit(train)}
        for name, method in (fitted | {"noise": noise}).items():
            found[protocol, name, seed] = judge(method, train, test, seed=seed)
    return planted(found, background=Background(train, {protocol: test}))


def divided(whole: Interactions, num_test: int) -> tuple[Interactions, Interactions]:
    is_test = whole.position_from_end() < num_test
    return whole.where(~is_test), whole.where(is_test)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_thirds_are_ordered_and_equal_values_stay_together(given_values: list[int]) -> None:
    values = np.array(given_values)
    group = thirds(values)
    if group is None:
        return
    assert set(group) == {0, 1, 2}
    for low in (0, 1):
        assert values[group <= low].max() < values[group > low].min()
        assert (group <= low).mean() >= (low + 1) / 3 - 1e-12
        without_ties = values[group <= low]
        last = without_ties == without_ties.max()
        assert ((group <= low).sum() - last.sum()) / len(values) < (low + 1) / 3


def test_thirds_need_three_values() -> None:
    assert thirds(np.array([1, 1, 2, 2])) is None
    assert thirds(np.array([5, 1, 3])).tolist() == [2, 0, 1]


def test_users_are_divided_by_the_length_of_their_history(
    tiny_interactions: Interactions,
) -> None:
    train, test = divided(tiny_interactions, 1)
    results = results_of(train, test, "full")
    found = slices(results, "full")
    assert found["metric"] == "ndcg@10"
    by = found["history_length"]
    length = train.counts()
    for method, cells in by["methods"].items():
        values = results.cube().of(method, "ndcg@10")[0]
        for bounds, cell in zip(by["groups"], cells, strict=True):
            own = length[results.cube().users]
            inside = (own >= bounds["least"]) & (own <= bounds["most"])
            assert cell["num_users"] == inside.sum()
            assert cell["mean"] == pytest.approx(values[inside].mean())
            assert cell["low"] <= cell["mean"] <= cell["high"]
    assert sum(cell["num_users"] for cell in by["methods"]["noise"]) == len(test)


def test_hidden_items_are_divided_by_their_popularity(tiny_interactions: Interactions) -> None:
    train, test = divided(tiny_interactions, 1)
    results = results_of(train, test, "full")
    by = slices(results, "full")["item_popularity"]
    raters = np.bincount(train.item, minlength=train.num_items)
    for method, cells in by["methods"].items():
        values = results.cube().of(method, "ndcg@10")[0]
        total = 0.0
        for bounds, cell in zip(by["groups"], cells, strict=True):
            asked = raters[test.item]
            inside = (asked >= bounds["least"]) & (asked <= bounds["most"])
            assert cell["num_users"] == inside.sum()
            assert cell["mean"] == pytest.approx(values[inside].mean())
            total += cell["mean"] * cell["num_users"]
        assert total == pytest.approx(values.sum())
    means = [cell["mean"] for cell in by["methods"]["popularity"]]
    assert means[0] == 0 < means[2]


@pytest.mark.parametrize("protocol", ["rated", "ranked"])
def test_one_third_of_the_liked_items_is_relevant_at_a_time(
    tiny_interactions: Interactions, protocol: str
) -> None:
    train, test = divided(tiny_interactions, 12)
    test = test.where((test.user < 20) | (test.position_from_end() < 8))  # too few for `rated`
    results = results_of(train, test, protocol)
    found = slices(results, protocol)
    by, metric = found["item_popularity"], found["metric"]
    raters = np.bincount(train.item, minlength=train.num_items)
    users = results.cube().users
    asked = raters[test.item[(test.rating >= 4) & np.isin(test.user, users)]]
    for third, bounds in enumerate(by["groups"]):
        own = asked[thirds(asked) == third]
        assert bounds == {"least": own.min(), "most": own.max()}
    for method, cells in by["methods"].items():
        lists = results.lists[protocol, method, 0]
        for bounds, cell in zip(by["groups"], cells, strict=True):
            values = []
            for user, row in zip(users, lists, strict=True):
                liked = set(test.item[(test.user == user) & (test.rating >= 4)].tolist())
                own = {i for i in liked if bounds["least"] <= raters[i] <= bounds["most"]}
                hits = np.array([[item in own for item in row]])
                values.append(measured(hits, np.array([len(own)]), [metric])[metric][0])
            assert cell["num_users"] == np.isfinite(values).sum()
            assert cell["mean"] == pytest.approx(np.nanmean(values))


def test_seeds_are_averaged(tiny_interactions: Interactions) -> None:
    train, test = divided(tiny_interactions, 1)
    found = slices(results_of(train, test, "full", 0, 1), "full")
    single = [slices(results_of(train, test, "full", seed), "full") for seed in (0, 1)]
    for by in ("history_length", "item_popularity"):
        for third, cell in enumerate(found[by]["methods"]["noise"]):
            means = [each[by]["methods"]["noise"][third]["mean"] for each in single]
            assert cell["mean"] == pytest.approx(np.mean(means))
            assert cell["std"] == pytest.approx(np.std(means, ddof=1))


def test_what_cannot_be_divided_is_left_out(tiny_interactions: Interactions) -> None:
    train, test = divided(tiny_interactions, 1)
    results = results_of(train, test, "full")
    back = results.background
    assert back is not None
    without_test = dataclasses.replace(results, background=dataclasses.replace(back, tests={}))
    assert set(slices(without_test, "full")) == {"metric", "history_length"}
    without_lists = dataclasses.replace(results, lists={})
    assert set(slices(without_lists, "full")) == {"metric", "history_length"}
    alike = log([(user, item, 5.0) for user in range(8) for item in range(9)])
    train, test = divided(alike, 1)
    assert slices(results_of(train, test, "full"), "full") == {"metric": "ndcg@10"}


@pytest.mark.parametrize("protocol", ["rated", "ranked"])
def test_what_a_log_has_twice_is_found_once(tiny_interactions: Interactions, protocol: str) -> None:
    train, test = divided(tiny_interactions, 12)
    once = slices(results_of(train, test, protocol), protocol)["item_popularity"]
    rows = np.repeat(np.arange(len(test)), 2)
    columns = {name: getattr(test, name)[rows] for name in ("user", "item", "rating", "timestamp")}
    results = results_of(train, dataclasses.replace(test, **columns), protocol)
    twice = slices(results, protocol)["item_popularity"]
    assert twice["groups"] == once["groups"]
    for method, cells in twice["methods"].items():
        for cell, same in zip(cells, once["methods"][method], strict=True):
            assert cell["num_users"] == same["num_users"]
            if protocol == "ranked":
                assert cell == same
            elif same["mean"] > 0:  # five places hold three items or little more
                assert cell["mean"] < same["mean"]
