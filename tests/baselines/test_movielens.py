"""Baselines on MovieLens-100K against numbers that others measured (docs/protocols.md)."""

import pytest

from drrec.baselines import BASELINES
from drrec.baselines.popularity import Counted, Popularity
from drrec.data.interactions import Dataset
from drrec.data.split import Split, SplitConfig, split_interactions
from drrec.evaluation.full import full
from drrec.evaluation.rated import rated


@pytest.fixture(scope="module")
def temporal(ml_100k: Dataset) -> Split:
    return split_interactions(ml_100k.interactions).final()


@pytest.mark.parametrize(
    ("name", "precision", "ndcg", "tolerance"),
    [("random", 0.523, 0.533, 0.02), ("popularity", 0.650, 0.666, 0.005)],
)
def test_rated_equals_an_independent_script(
    temporal: Split, name: str, precision: float, ndcg: float, tolerance: float
) -> None:
    result = rated(BASELINES[name]().fit(temporal.train), temporal.train, temporal.test)
    assert len(result.users) == 594
    assert result.metrics["precision@5"].mean() == pytest.approx(precision, abs=tolerance)
    assert result.metrics["ndcg@5"].mean() == pytest.approx(ndcg, abs=tolerance)


@pytest.mark.parametrize(
    ("counted", "precision", "ndcg"), [("liked", 0.676, 0.701), ("mean", 0.715, 0.744)]
)
def test_variants_of_popularity_too(
    temporal: Split, counted: Counted, precision: float, ndcg: float
) -> None:
    result = rated(Popularity(counted).fit(temporal.train), temporal.train, temporal.test)
    assert result.metrics["precision@5"].mean() == pytest.approx(precision, abs=0.005)
    assert result.metrics["ndcg@5"].mean() == pytest.approx(ndcg, abs=0.005)


def test_item_cf_is_a_baseline_worth_beating(temporal: Split) -> None:
    result = rated(BASELINES["item_cf"]().fit(temporal.train), temporal.train, temporal.test)
    assert result.metrics["precision@5"].mean() >= 0.74
    assert result.metrics["ndcg@5"].mean() >= 0.77


def test_item_knn_ranks_the_catalogue_as_well_as_recboles(ml_100k: Dataset) -> None:
    split = split_interactions(ml_100k.interactions, SplitConfig(strategy="leave_one_out"))
    train = split.final().train
    result = full(BASELINES["item_knn"]().fit(train), train, split.test)
    # One standard error is about .011: RecBole's .1145 and .0628.
    assert result.metrics["hr@10"].mean() == pytest.approx(0.1145, abs=0.011)
    assert result.metrics["ndcg@10"].mean() == pytest.approx(0.0628, abs=0.011)
