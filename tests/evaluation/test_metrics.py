"""Metrics against their plain definitions, scikit-learn, and what must hold for any list."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from drrec.evaluation.metrics import METRICS, measured


@st.composite
def lists(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    num_places = draw(st.integers(1, 12))
    row = st.lists(st.booleans(), min_size=num_places, max_size=num_places)
    hits = np.array(draw(st.lists(row, min_size=1, max_size=5)))
    below = st.lists(st.integers(0, 5), min_size=len(hits), max_size=len(hits))
    return hits, hits.sum(axis=1) + np.array(draw(below))


def plain(name: str, hits: list[bool], num_relevant: int) -> float:
    if num_relevant == 0:
        return math.nan
    places = [place for place, hit in enumerate(hits, start=1) if hit]
    achievable = min(num_relevant, len(hits))
    match name:
        case "precision":
            return len(places) / len(hits)
        case "recall":
            return len(places) / num_relevant
        case "hr":
            return float(len(places) > 0)
        case "mrr":
            return 1 / places[0] if places else 0.0
        case "ndcg":
            ideal = sum(1 / math.log2(place + 1) for place in range(1, achievable + 1))
            return sum(1 / math.log2(place + 1) for place in places) / ideal
        case "map":
            return sum(sum(hits[:place]) / place for place in places) / achievable
    raise AssertionError(name)


@pytest.mark.parametrize("name", METRICS)
@given(case=lists())
def test_equals_the_plain_definition(name: str, case: tuple[np.ndarray, np.ndarray]) -> None:
    hits, num_relevant = case
    expected = [
        plain(name, row.tolist(), int(n)) for row, n in zip(hits, num_relevant, strict=True)
    ]
    np.testing.assert_allclose(METRICS[name](hits, num_relevant), expected, atol=1e-12)


@pytest.mark.parametrize("name", METRICS)
@given(case=lists())
def test_is_a_share_or_nan_where_nothing_is_relevant(
    name: str, case: tuple[np.ndarray, np.ndarray]
) -> None:
    hits, num_relevant = case
    value = METRICS[name](hits, num_relevant)
    assert (np.isnan(value) == (num_relevant == 0)).all()
    known = value[num_relevant > 0]
    assert ((known >= 0) & (known <= 1 + 1e-12)).all()


@given(st.integers(1, 12), st.integers(1, 20))
def test_perfect_order_is_one_even_if_less_is_relevant_than_places(k: int, relevant: int) -> None:
    hits = np.arange(k)[None] < relevant
    for name in ("ndcg", "map", "mrr", "hr"):
        assert METRICS[name](hits, np.array([relevant])) == pytest.approx(1)


def test_ndcg_and_map_equal_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    relevant = rng.random((20, 15)) < 0.3
    relevant[:, 0] = True
    scores = rng.permuted(np.tile(np.arange(15.0), (20, 1)), axis=1)
    hits = np.take_along_axis(relevant, np.argsort(-scores, axis=1), axis=1)
    ours = measured(hits, relevant.sum(axis=1), ["ndcg@5", "ndcg@15", "map"])
    for k in (5, 15):
        theirs = [
            ndcg_score([row], [score], k=k) for row, score in zip(relevant, scores, strict=True)
        ]
        np.testing.assert_allclose(ours[f"ndcg@{k}"], theirs)
    theirs = [
        average_precision_score(row, score) for row, score in zip(relevant, scores, strict=True)
    ]
    np.testing.assert_allclose(ours["map"], theirs)


def test_measured_cuts_each_metric_at_its_own_place() -> None:
    hits = np.array([[False, False, True, True]])
    expected = {
        "precision@2": 0,
        "precision@4": 1 / 2,
        "recall@3": 1 / 2,
        "hr@3": 1,
        "mrr@4": 1 / 3,
        "map": (1 / 3 + 2 / 4) / 2,
    }
    values = measured(hits, np.array([2]), expected)
    assert {name: value.item() for name, value in values.items()} == pytest.approx(expected)


@pytest.mark.parametrize("name", ["auc@5", "ndcg@", "ndcg@x", "ndcg@0", "ndcg@9"])
def test_measured_refuses_unknown_names_and_cuts_beyond_the_list(name: str) -> None:
    with pytest.raises(ValueError, match=r"Expected .* Received: "):
        measured(np.ones((1, 4), bool), np.array([4]), [name])


@pytest.mark.parametrize(
    ("hits", "num_relevant"),
    [
        (np.ones(4, bool), np.array([4])),
        (np.ones((2, 4), bool), np.array([4])),
        (np.ones((1, 4), bool), np.array([[4]])),
        (np.ones((1, 4)), np.array([4])),
        (np.ones((1, 4), bool), np.array([3])),
    ],
)
@pytest.mark.parametrize("name", METRICS)
def test_refuses_a_wrong_rank_type_or_count(
    name: str, hits: np.ndarray, num_relevant: np.ndarray
) -> None:
    with pytest.raises(ValueError, match=r"Expected .* Received: "):
        METRICS[name](hits, num_relevant)
