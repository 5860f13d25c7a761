"""An index of faiss that is kept beside its model."""

import os

import numpy as np
import pytest

from drrec.serving import retrieval
from drrec.serving.kept import Place
from drrec.serving.retrieval import Faiss, Wanted

faiss = pytest.importorskip("faiss")


@pytest.fixture
def vectors():
    generator = np.random.default_rng(0)
    shapes = (801, 6), (20, 6)
    return tuple(generator.normal(size=shape).astype(np.float32) for shape in shapes)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "agent.drrec.faiss", "the model's hash")


@pytest.fixture
def indexed(vectors, place, monkeypatch):
    """Makes a searcher; its answers, and whether an index was built for it."""
    items, queries = vectors
    trained, built = retrieval._trained, []
    monkeypatch.setattr(retrieval, "_trained", lambda given: built.append(1) or trained(given))

    def make(place=place):
        built.clear()
        searcher = Faiss(items, lambda: queries, place=place)
        wanted = [Wanted(query, np.zeros(0, np.int32), None) for query in queries]
        found = [(each.item.tolist(), each.score.tolist()) for each in searcher.search(wanted, 7)]
        return (found, searcher.recall, searcher._index.nprobe), bool(built)

    return make


def test_it_is_built_once_and_answers_the_same_after(indexed, place, vectors):
    first, was_built = indexed()
    assert was_built
    assert indexed() == (first, False)
    assert indexed(None) == (first, True)
    assert sorted(each.name for each in place.path.parent.iterdir()) == [
        "agent.drrec.faiss",
        "agent.drrec.faiss.json",
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda place: place.path.write_bytes(place.path.read_bytes()[:-100]),
        lambda place: place.path.write_bytes(place.path.read_bytes()[:-1] + b"?"),
        lambda place: place.path.unlink(),
        lambda place: place.note.unlink(),
        lambda place: place.note.write_text("{", encoding="utf-8"),
        lambda place: place.note.write_text('{"version": 1}', encoding="utf-8"),
        lambda place: place.note.write_text(
            place.note.read_text(encoding="utf-8").replace('"version": 1', '"version": 0'),
            encoding="utf-8",
        ),
    ],
)
def test_a_damaged_one_is_built_anew(indexed, place, spoil):
    first, _ = indexed()
    spoil(place)
    assert indexed() == (first, True)
    assert indexed() == (first, False)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs Linux's /proc")
def test_it_is_mapped_into_memory(vectors, place):
    items, queries = vectors
    for _ in range(2):
        searcher = Faiss(items, lambda: queries, place=place)
        with open("/proc/self/maps", encoding="utf-8") as file:
            assert str(place.path) in file.read()
        del searcher


def test_that_of_another_model_is_not_taken(indexed, place):
    first, _ = indexed()
    other = place._replace(model="another hash")
    assert indexed(other) == (first, True)
    assert indexed(other) == (first, False)
    assert indexed(place) == (first, True)


def test_where_nothing_can_be_written_it_is_not_kept(indexed, place, caplog):
    nowhere = place.path.parent / "file"
    nowhere.touch()
    first, was_built = indexed(place._replace(path=nowhere / "agent.faiss"))
    assert was_built
    assert "the index is not kept" in caplog.text
    assert indexed(None)[0] == first


def test_a_fault_in_building_leaves_nothing(indexed, place, monkeypatch):
    monkeypatch.setattr(Faiss, "_tuned", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        indexed()
    assert list(place.path.parent.iterdir()) == []
