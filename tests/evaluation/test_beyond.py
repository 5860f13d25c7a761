"""What lies beyond accuracy, put together from protocols, lists and errors."""

import dataclasses

import numpy as np
import pytest
from tests.evaluation.stubs import Stub, planted

from drrec.baselines.chance import Random
from drrec.baselines.popularity import Popularity
from drrec.data.interactions import Interactions
from drrec.evaluation.beyond import COVERAGE, DIVERSITY, GINI, NOVELTY, beyond
from drrec.evaluation.calibration import Errors, rating_errors
from drrec.evaluation.lists import coverage, diversity, gini, novelty
from drrec.evaluation.protocols.full import full
from drrec.evaluation.protocols.rated import rated
from drrec.evaluation.result import Background, Evaluation
from drrec.evaluation.statistics import mean_interval


class Level(Stub):
    """Predicts `level` for all, as a rating."""

    rating_offset = 3.0

    def __init__(self, level: float, num_items: int) -> None:
        super().__init__(lambda users, histories, items: np.array(level - 3.0), num_items)


def results_of(whole: Interactions, *seeds: int, protocol: str = "full") -> Evaluation:
    is_test = whole.position_from_end() < (1 if protocol == "full" else 12)
    train, test = whole.where(~is_test), whole.where(is_test)
    judge = full if protocol == "full" else rated
    found, errors = {}, {}
    for seed in seeds:
        methods = {
            "random": Random(seed).fit(train),
            "popularity": Popularity().fit(train),
            "level": Level(3.5 + seed, train.num_items),
        }
        for name, method in methods.items():
            found[protocol, name, seed] = judge(method, train, test, seed=seed)
            if each := rating_errors(method, train, test):
                errors[name, seed] = each
    vectors = np.random.default_rng(0).random((whole.num_items, 4))
    background = Background(train, {protocol: test}, vectors)
    return planted(found, background=background, errors=errors)


def test_cells_are_what_the_functions_say(tiny_interactions: Interactions) -> None:
    results = results_of(tiny_interactions, 0)
    back = results.background
    assert back is not None
    cells = beyond(results, "full")
    assert list(cells) == ["random", "popularity", "level"]
    for (_, method, _), lists in results.lists.items():
        for name, measure in ((COVERAGE, coverage), (GINI, gini)):
            cell = cells[method][name]
            assert cell["mean"] == measure(lists, back.train.num_items)
            assert np.isnan([cell["low"], cell["high"]]).all()
        bits = novelty(lists, back.num_raters, back.train.num_users)
        apart = diversity(lists, back.vectors)
        for name, values in ((NOVELTY, bits), (DIVERSITY, apart)):
            interval = {
                key: v.item() for key, v in mean_interval(values[:, None])._asdict().items()
            }
            assert cells[method][name] == pytest.approx(interval | {"num_users": len(values)})
        assert "rmse" not in cells[method]  # ratings are predicted under `rated`
    assert cells["popularity"][COVERAGE]["mean"] < cells["random"][COVERAGE]["mean"]
    assert cells["popularity"][GINI]["mean"] > cells["random"][GINI]["mean"]
    assert cells["popularity"][NOVELTY]["mean"] < cells["random"][NOVELTY]["mean"]


def test_raters_are_users_and_not_rows(tiny_interactions: Interactions) -> None:
    background = Background(tiny_interactions, {})
    raters = np.bincount(tiny_interactions.item, minlength=tiny_interactions.num_items)
    np.testing.assert_array_equal(background.num_raters, raters)
    rows = np.repeat(np.arange(len(tiny_interactions)), 2)
    twice = dataclasses.replace(
        tiny_interactions,
        **{name: getattr(tiny_interactions, name)[rows] for name in ("user", "item", "rating")},
        timestamp=tiny_interactions.timestamp[rows],
    )
    np.testing.assert_array_equal(Background(twice, {}).num_raters, raters)


def test_who_predicts_ratings_is_judged_by_them(tiny_interactions: Interactions) -> None:
    results = results_of(tiny_interactions, 0, protocol="rated")
    back = results.background
    assert back is not None
    cells = beyond(results, "rated")
    assert "rmse" not in cells["random"]
    rating = back.tests["rated"].rating
    level = cells["level"]
    assert level["rmse"]["mean"] == pytest.approx(np.sqrt(np.mean((rating - 3.5) ** 2)))
    assert level["mae"]["mean"] == pytest.approx(np.abs(rating - 3.5).mean())
    assert level["ece"]["mean"] == pytest.approx(abs(rating.mean() - 3.5))
    assert level["rmse"]["low"] < level["rmse"]["mean"] < level["rmse"]["high"]
    assert "std" not in level["rmse"]
    assert np.isnan(level["ece"]["low"])


def test_several_seeds_are_averaged_and_spread(tiny_interactions: Interactions) -> None:
    cells, *single = (
        beyond(results_of(tiny_interactions, *seeds, protocol="rated"), "rated")
        for seeds in ((0, 1), (0,), (1,))
    )
    for method, names in (("random", [COVERAGE, GINI, NOVELTY, DIVERSITY]), ("level", ["ece"])):
        for name in names:
            means = [each[method][name]["mean"] for each in single]
            assert cells[method][name]["mean"] == pytest.approx(np.mean(means))
            assert cells[method][name]["std"] == pytest.approx(np.std(means, ddof=1))
    rmse = cells["level"]["rmse"]
    squares = [each["level"]["rmse"]["mean"] ** 2 for each in single]
    assert rmse["mean"] == pytest.approx(np.sqrt(np.mean(squares)))
    assert rmse["low_seeds"] < rmse["low"] < rmse["mean"] < rmse["high"] < rmse["high_seeds"]


def test_methods_without_lists_or_items_without_vectors(tiny_interactions: Interactions) -> None:
    results = results_of(tiny_interactions, 0)
    lists = {key: each for key, each in results.lists.items() if key[1] != "popularity"}
    back = dataclasses.replace(results.background, vectors=None)
    cells = beyond(dataclasses.replace(results, lists=lists, background=back), "full")
    assert list(cells) == ["random", "level"]
    assert list(cells["random"]) == [COVERAGE, GINI, NOVELTY]


def test_an_error_that_one_user_has_moves_the_interval_of_rmse(
    tiny_interactions: Interactions,
) -> None:
    results = results_of(tiny_interactions, 0, protocol="rated")
    count = np.full(60, 10)
    squared = np.zeros(60)
    squared[0] = 600.0
    errors = {("level", 0): Errors(np.arange(60), squared, squared, count, 0.1)}
    cell = beyond(dataclasses.replace(results, errors=errors), "rated")["level"]["rmse"]
    # That user is drawn 0 … 4 times, with the Poisson distribution of mean 1.
    assert (cell["low"], cell["mean"]) == pytest.approx((0, 1))
    assert cell["high"] == pytest.approx(np.sqrt(3), abs=0.3)
