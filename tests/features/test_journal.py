import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from drrec.errors import InputError
from drrec.features.journal import Batch, Journal

BATCHES = [
    Batch(np.array([[1.5, 2], [0, 0]], np.float32), np.array([True, False]), ["", "a: broken"]),
    Batch(np.zeros((1, 0), np.float32), np.array([False]), ["ß"]),
    Batch(np.full((2, 2), 7, np.float32), np.array([True, True]), ["", ""]),
]


def filled(path):
    with Journal(path, "f") as journal:
        for batch in BATCHES:
            journal.add(batch)
    return path.read_bytes()


def equal(one, other):
    return (
        np.array_equal(one.features, other.features)
        and one.features.dtype == other.features.dtype
        and np.array_equal(one.present, other.present)
        and one.reasons == other.reasons
    )


@hypothesis.given(st.data())
def test_cut_at_any_byte_it_has_the_whole_batches_before(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("journal") / "j"
    content = filled(path)
    end = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:end])
    with Journal(path, "f") as journal:
        kept = len(journal.batches)
        assert all(map(equal, journal.batches, BATCHES))
        for batch in BATCHES[kept:]:
            journal.add(batch)
    assert (kept == 3) == (end == len(content))
    assert path.read_bytes() == content


def test_most_of_it_is_kept(tmp_path):
    content = filled(tmp_path / "j")
    (tmp_path / "j").write_bytes(content[:-1])
    with Journal(tmp_path / "j", "f") as journal:
        assert len(journal.batches) == 2


def test_a_damaged_batch_and_all_after_it_are_done_again(tmp_path):
    path = tmp_path / "j"
    content = bytearray(filled(path))
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    with Journal(path, "f") as journal:
        assert len(journal.batches) < 3
        assert all(map(equal, journal.batches, BATCHES))


def test_of_another_fingerprint_it_starts_anew(tmp_path):
    filled(tmp_path / "j")
    with Journal(tmp_path / "j", "g") as journal:
        assert journal.batches == []
    with Journal(tmp_path / "j", "f") as journal:
        assert journal.batches == []


def test_it_is_of_one_process_at_a_time(tmp_path):
    with Journal(tmp_path / "j", "f") as journal:
        journal.add(BATCHES[0])
        with pytest.raises(InputError, match="one is writing it"):
            Journal(tmp_path / "j", "g")
    with Journal(tmp_path / "j", "f") as journal:
        assert len(journal.batches) == 1
        journal.remove()
    assert not (tmp_path / "j").exists()
