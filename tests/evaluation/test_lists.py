"""Coverage, Gini, novelty and diversity: by hand, by plain definitions, within their ranges."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics.pairwise import cosine_similarity

from drrec.evaluation.lists import coverage, diversity, genre_vectors, gini, novelty

NUM_ITEMS = 9

LISTS = hnp.arrays(
    np.int32,
    st.tuples(st.integers(1, 6), st.integers(1, 5)),
    elements=st.integers(0, NUM_ITEMS - 1),
)


def test_by_hand() -> None:
    lists = np.array([[1, 2], [1, 3], [1, 0]])
    assert coverage(lists, 6) == pytest.approx(3 / 5)
    # Shown 0 0 1 1 3: (0·1 + 2·1 + 4·3) / (5 · 5).
    assert gini(lists, 6) == pytest.approx(0.56)
    raters = np.array([0, 8, 2, 1, 0, 4])
    bits = novelty(np.array([[1, 2], [3, 4], [2, 0], [0, 0]]), raters, 8)
    assert bits == pytest.approx([1, 3, 2, np.nan], nan_ok=True)
    genres = np.array([[3, 0], [1, 0], [0, 1], [1, 1], [0, 0]])
    apart = diversity(np.array([[1, 2, 0], [1, 3, 4], [1, 2, 3], [4, 1, 0]]), genres)
    root = np.sqrt(0.5)
    assert apart == pytest.approx([1, 1 - root, 1 - 2 * root / 3, np.nan], nan_ok=True)


def test_extremes_of_gini() -> None:
    assert gini(np.arange(1, 9).reshape(2, 4), 9) == 0
    assert gini(np.full((7, 3), 5), 9) == pytest.approx(1 - 1 / 8)
    same_for_all = np.tile([1, 2], (50, 1))
    assert gini(same_for_all, 9) == pytest.approx(1 - 2 / 8)
    assert np.isnan(gini(np.zeros((2, 2), int), 9))


@given(LISTS)
def test_gini_is_half_the_relative_mean_difference(lists: np.ndarray) -> None:
    count = [int((lists == item).sum()) for item in range(1, NUM_ITEMS)]
    if not sum(count):
        return
    pairs = [abs(a - b) for a, b in itertools.product(count, count)]
    expected = np.mean(pairs) / (2 * np.mean(count))
    assert gini(lists, NUM_ITEMS) == pytest.approx(expected)
    assert 0 <= gini(lists, NUM_ITEMS) <= 1 - 1 / (NUM_ITEMS - 1) + 1e-12


@given(LISTS, st.integers(0, 2**32))
def test_novelty_and_coverage_stay_within_their_ranges(lists: np.ndarray, seed: int) -> None:
    raters = np.random.default_rng(seed).integers(0, 33, NUM_ITEMS)
    bits = novelty(lists, raters, 32)
    assert (np.isnan(bits) == ~lists.any(axis=1)).all()
    assert ((bits[~np.isnan(bits)] >= 0) & (bits[~np.isnan(bits)] <= 5)).all()
    assert 0 <= coverage(lists, NUM_ITEMS) <= 1
    for row, value in zip(lists, bits, strict=True):
        own = [-np.log2(max(raters[item], 1) / 32) for item in row if item]
        assert value == pytest.approx(np.mean(own) if own else np.nan, nan_ok=True)


@given(st.integers(0, 2**32), st.integers(2, 8), st.booleans())
def test_diversity_is_what_scikit_learns_cosines_say(seed: int, length: int, signed: bool) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(NUM_ITEMS, 3)) if signed else rng.random((NUM_ITEMS, 3))
    lists = np.stack([rng.permutation(np.arange(1, NUM_ITEMS))[:length] for _ in range(4)])
    cosine = cosine_similarity(vectors)
    found = diversity(lists, vectors)
    for row, value in zip(lists, found, strict=True):
        pairs = [cosine[a, b] for a, b in itertools.combinations(row, 2)]
        assert value == pytest.approx(1 - np.mean(pairs))
    assert ((found >= 0) & (found <= (2 if signed else 1) + 1e-12)).all()


def test_genres_become_columns() -> None:
    vectors = genre_vectors(np.array(["", "Drama, War", "", "War", "Film Noir"]))
    assert vectors is not None
    assert vectors.tolist() == [[0, 0, 0], [1, 0, 1], [0, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert genre_vectors(np.array(["", ""])) is None


@pytest.mark.parametrize("lists", [np.array([1, 2]), np.array([[9]]), np.array([[-1]])])
def test_ids_out_of_range_are_refused(lists: np.ndarray) -> None:
    ones = np.ones(NUM_ITEMS, int)
    for call in (
        lambda: coverage(lists, NUM_ITEMS),
        lambda: gini(lists, NUM_ITEMS),
        lambda: novelty(lists, ones, 3),
        lambda: diversity(lists, ones[:, None]),
    ):
        with pytest.raises(ValueError, match="Expected lists"):
            call()


@pytest.mark.parametrize("num_raters", [-1, 4])
def test_rows_are_not_taken_for_users(num_raters: int) -> None:
    with pytest.raises(ValueError, match="Count users"):
        novelty(np.array([[1]]), np.array([0, num_raters]), 3)
