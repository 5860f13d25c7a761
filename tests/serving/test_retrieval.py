"""The best items by dot product: exactly, and by an index."""

import logging
import sys

import numpy as np
import pytest
from tests.serving.policies import small_agent_file

from drrec.errors import InputError
from drrec.serving import retrieval
from drrec.serving.engine import Engine
from drrec.serving.queries import Query
from drrec.serving.retrieval import Exact, Faiss, Wanted, searcher_over

NOTHING = np.zeros(0, np.int32)


@pytest.fixture(scope="module")
def vectors():
    """Items of unequal length, as trained ones are, and queries."""
    generator = np.random.default_rng(0)
    items = generator.normal(size=(3001, 9)) * generator.lognormal(0, 0.5, (3001, 1))
    items[0] = 100  # padding is never found, whatever stands there
    queries = generator.normal(size=(40, 9))
    return items.astype(np.float32), queries.astype(np.float32)


@pytest.fixture(scope="module")
def index(vectors):
    pytest.importorskip("faiss")
    items, queries = vectors
    return Faiss(items, lambda: queries)


def plainly(items, wanted, k):
    may = range(1, len(items)) if wanted.allowed is None else wanted.allowed.tolist()
    left = sorted(set(may) - set(wanted.hidden.tolist()) - {0})
    scores = {item: float(items[item] @ wanted.vector) for item in left}
    return sorted(left, key=lambda item: -scores[item])[:k]


def filtered(query, items, k):
    best = plainly(items, Wanted(query, NOTHING, None), 30)
    yield Wanted(query, np.array(best[:25], np.int32), None)
    yield Wanted(query, np.array(best[1::2] * 2, np.int32), None)
    yield Wanted(query, np.array(best[:2], np.int32), np.array([*best[:5], 2000, 0], np.int32))
    yield Wanted(query, NOTHING, NOTHING)


def test_exact_search_is_a_full_sort_whatever_is_hidden_or_allowed(vectors):
    items, queries = vectors
    wanted = [Wanted(query, NOTHING, None) for query in queries]
    wanted += [each for query in queries[:5] for each in filtered(query, items, 10)]
    found = Exact(items).search(wanted, 10)
    assert len(found) == len(wanted)
    for each, own in zip(wanted, found, strict=True):
        assert own.item.tolist() == plainly(items, each, 10)
        np.testing.assert_allclose(own.score, items[own.item] @ each.vector, rtol=1e-5)


def test_exact_search_takes_no_more_memory_at_once_than_it_may(vectors, monkeypatch):
    items, queries = vectors
    wanted = [Wanted(query, NOTHING, None) for query in queries]
    expected = Exact(items).search(wanted, 5)
    monkeypatch.setattr(retrieval, "MAX_SCORES", 3 * len(items))
    for own, other in zip(Exact(items).search(wanted, 5), expected, strict=True):
        assert own.item.tolist() == other.item.tolist()


def test_an_index_reads_few_clusters_and_reaches_its_recall(index, vectors):
    items, queries = vectors
    wanted = [Wanted(query, NOTHING, None) for query in queries]
    found = index.search(wanted, 10)
    hits = [
        len(set(own.item.tolist()) & set(plainly(items, each, 10)))
        for each, own in zip(wanted, found, strict=True)
    ]
    assert np.mean(hits) / 10 == pytest.approx(index.recall)
    assert index.recall >= retrieval.LEAST_RECALL
    assert index._index.nprobe < index._index.nlist
    for each, own in zip(wanted, found, strict=True):
        np.testing.assert_allclose(own.score, items[own.item] @ each.vector, rtol=1e-5)
        assert (np.diff(own.score) <= 0).all()
        assert len(own.item) == 10


def test_of_an_index_more_clusters_are_read_for_more_recall(vectors):
    pytest.importorskip("faiss")
    items, queries = vectors
    low, high = (Faiss(items, lambda: queries, recall=recall) for recall in (0.1, 1.0))
    assert low._index.nprobe < high._index.nprobe
    assert low.recall <= high.recall == 1.0


def test_an_index_keeps_what_is_hidden_and_allowed(index, vectors):
    items, queries = vectors
    for query in queries[:10]:
        first, second, few, none = filtered(query, items, 10)
        for wanted in (first, second):
            own = index.search([wanted], 10)[0]
            assert len(own.item) == 10
            assert not set(own.item.tolist()) & {*wanted.hidden.tolist(), 0}
        assert index.search([few], 10)[0].item.tolist() == plainly(items, few, 10)
        assert index.search([none], 10)[0].item.tolist() == []


def test_where_nearly_all_is_hidden_an_index_finds_the_rest(index, vectors):
    items, queries = vectors
    rest = plainly(items, Wanted(-queries[0], NOTHING, None), 5)  # in the clusters farthest away
    hidden = np.setdiff1d(np.arange(1, len(items)), rest)
    found = index.search([Wanted(queries[0], hidden, None)], 10)[0]
    assert sorted(found.item.tolist()) == sorted(rest)


def test_the_size_of_the_catalogue_chooses_and_a_flag_overrides(vectors, monkeypatch):
    pytest.importorskip("faiss")
    items, queries = vectors
    assert isinstance(searcher_over(items, lambda: queries, "auto"), Exact)
    assert isinstance(searcher_over(items, lambda: queries, "faiss"), Faiss)
    monkeypatch.setattr(retrieval, "MOST_EXACT", 1000)
    assert isinstance(searcher_over(items, lambda: queries, "auto"), Faiss)
    assert isinstance(searcher_over(items, lambda: queries, "exact"), Exact)


def test_without_faiss_it_says_how_to_get_it(vectors, monkeypatch, caplog):
    items, queries = vectors
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match=r"Received: none\. Install it: pip install faiss-cpu"):
        searcher_over(items, lambda: queries, "faiss")
    monkeypatch.setattr(retrieval, "MOST_EXACT", 1000)
    assert isinstance(searcher_over(items, lambda: queries, "auto"), Exact)
    assert "Until then all 3,000 items are read." in caplog.text


def test_an_engine_with_an_index_answers_as_without(tiny_interactions, tmp_path, caplog):
    pytest.importorskip("faiss")
    path = small_agent_file(tiny_interactions, tmp_path)
    with caplog.at_level(logging.INFO):
        engine = Engine.load(path, retrieval="faiss")
    assert "recall@10 1.0000;" in caplog.text
    users, items = tiny_interactions.users.raw.tolist(), tiny_interactions.items.raw.tolist()
    queries = [Query(user=user) for user in users]
    queries += [Query(liked=items[3:6], block=items[7:9]), Query(user=users[0], allow=items[1:9])]
    exact = Engine.load(path).recommend(queries, 5)
    for own, other in zip(engine.recommend(queries, 5), exact, strict=True):
        assert [each.item for each in own] == [each.item for each in other]
    with pytest.raises(InputError, match="`retrieval` to be auto or exact or faiss"):
        Engine.load(path, retrieval="ivf")
