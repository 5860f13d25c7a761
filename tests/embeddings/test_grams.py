"""What is summed in blocks equals what is summed at once, and less is in memory."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from drrec.data.interactions import Interactions
from drrec.embeddings import evidence as evidence_module
from drrec.embeddings import grams as grams_module
from drrec.embeddings import variational as variational_module
from drrec.embeddings.evidence import (
    Information,
    explicit_evidence,
    implicit_evidence,
    posterior,
    side_by_side,
)
from drrec.embeddings.grams import Grams
from drrec.embeddings.implicit import fit_implicit
from drrec.embeddings.variational import fit_variational

USERS, ITEMS, DIM = 60, 40, 4


@pytest.fixture(scope="module")
def log() -> Interactions:
    """Ratings of planted factors, some items far more popular than others."""
    rng = np.random.default_rng(0)
    user, item = rng.normal(size=(USERS, 2)), rng.normal(size=(ITEMS, 2))
    known = rng.random((USERS, ITEMS)) < np.linspace(0.05, 0.9, ITEMS)
    who, what = np.nonzero(known)
    rating = np.clip(np.rint(3 + (user @ item.T)[known]), 1, 5)
    return Interactions.from_raw(who.astype(str), what.astype(str), rating, np.arange(len(who)))


@pytest.fixture
def _small(monkeypatch):
    """Blocks of three rows and seven entries, and nothing of D² kept."""
    monkeypatch.setattr(grams_module, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(grams_module, "MOST_OUTER", 0)
    monkeypatch.setattr(grams_module, "ENTRIES_AT_ONCE", 7)
    monkeypatch.setattr(evidence_module, "MOST_KEPT", 0)


def in_blocks(make, request):
    """What `make` gives as it is, and in small blocks."""
    whole = make()
    request.getfixturevalue("_small")
    return whole, make()


@pytest.mark.usefixtures("_small")
def test_sums_are_those_of_the_definition():
    rng = np.random.default_rng(1)
    dense = np.where(rng.random((9, 30)) < 0.4, rng.random((9, 30)), 0)
    dense[2] = 0
    weights = sp.csr_matrix(dense)
    vectors = rng.normal(size=(30, DIM))
    expected = np.einsum("nm,mi,mj->nij", weights.toarray(), vectors, vectors)
    np.testing.assert_allclose(Grams(vectors).sums(weights), expected, atol=1e-12)


def test_implicit_factors_are_the_same_in_blocks(log, request):
    whole, blocked = in_blocks(lambda: fit_implicit(log, dim=DIM), request)
    np.testing.assert_allclose(blocked.item, whole.item, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(blocked.user, whole.user, rtol=1e-4, atol=1e-6)


def test_variational_factors_are_the_same_in_blocks(log, request):
    whole, blocked = in_blocks(lambda: fit_variational(log, dim=DIM, num_sweeps=10), request)
    np.testing.assert_allclose(blocked.item, whole.item, rtol=1e-4, atol=1e-6)


def test_diagonal_covariances_predict_nearly_the_same(log, monkeypatch):
    whole = fit_variational(log, dim=DIM)
    monkeypatch.setattr(variational_module, "MOST_MOMENTS", 0)
    diagonal = fit_variational(log, dim=DIM)
    full, near = (each.user @ each.item.T for each in (whole, diagonal))
    assert 1e-4 < np.abs(full - near).mean() < 0.05
    assert np.abs(full).mean() > 0.5


def evidence_of(log):
    rng = np.random.default_rng(2)
    user, item = rng.normal(size=(USERS, 6)), rng.normal(size=(log.num_items, 7))
    item[0] = 0
    parts = [
        explicit_evidence(log, user[:, :4], 3.0, noise_precision=0.02),
        implicit_evidence(log, user[:, 4:], 0.0, unobserved_weight=0.1),
    ]
    made, columns = side_by_side(parts, item).expecting(item), slice(0, 4)
    return made, posterior(made.of(columns), item[:, columns])


def test_evidence_and_the_posterior_are_the_same_in_blocks(log, request):
    (whole, vectors), (blocked, others) = in_blocks(lambda: evidence_of(log), request)
    assert isinstance(blocked.information, Information)
    some = np.array([3, 1, 12])
    np.testing.assert_allclose(blocked.where(some)[0], whole.where(some)[0], atol=1e-9)
    np.testing.assert_allclose(blocked.target, whole.target, atol=1e-9)
    np.testing.assert_allclose(others, vectors, atol=1e-6)


def test_a_sweep_keeps_nothing_of_vectors_times_width_squared(monkeypatch):
    """20,000 items of width 24 have outer products of 92 MB; a block of sums has 1 MB."""
    monkeypatch.setattr(grams_module, "MOST_OUTER", 0)
    monkeypatch.setattr(grams_module, "ROWS_AT_ONCE", 200)
    monkeypatch.setattr(grams_module, "ENTRIES_AT_ONCE", 2**12)
    rng = np.random.default_rng(3)
    rows = Interactions.from_raw(
        np.arange(20_000) % 400, np.arange(20_000), np.ones(20_000), np.arange(20_000)
    )
    tracemalloc.start()
    fit_implicit(rows, dim=24, num_sweeps=1, seed=int(rng.integers(10)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6
