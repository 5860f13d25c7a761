import struct

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from drrec.errors import InputError
from drrec.features.journal import MAGIC, Batch, Journal, remove_finished

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


@pytest.mark.parametrize("tail", [b"\0" * 12, b"\0" * 16, b"\0" * 5_000, MAGIC, b"\xff" * 40])
def test_what_is_no_record_at_the_end_is_cut_off(tmp_path, tail):
    content = filled(tmp_path / "j")
    (tmp_path / "j").write_bytes(content + tail)
    with Journal(tmp_path / "j", "f") as journal:
        assert len(journal.batches) == 3
    assert (tmp_path / "j").read_bytes() == content


def test_a_damaged_length_asks_for_no_memory(tmp_path):
    content = bytearray(filled(tmp_path / "j"))
    content[4 + 7] = 0x7F  # the highest byte of the first length
    (tmp_path / "j").write_bytes(content)
    with Journal(tmp_path / "j", "f") as journal:
        assert journal.batches == []


RECORDS = [
    b"",
    b"\0" * 15,
    b"\0" * 16,
    struct.pack("<QQ", 2**60, 2**60),
    struct.pack("<QQ", 0, 2**60) + b"[]",
    struct.pack("<QQ", 1, 0) + b"\2" + b'[""]',
    struct.pack("<QQ", 1, 0) + b"\1" + b'["", ""]',
    struct.pack("<QQ", 1, 0) + b"\1" + b"[3]",
    struct.pack("<QQ", 1, 0) + b"\1" + b"\xff",
    struct.pack("<QQ", 1, 0) + b"\1" + b"[" * 100_000,
]


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_that_is_no_batch_is_cut_off_though_its_checksum_is_right(tmp_path, record):
    with Journal(tmp_path / "j", "f") as journal:
        journal.add(BATCHES[0])
        journal._append(record)
        journal.add(BATCHES[1])
    with Journal(tmp_path / "j", "f") as journal:
        assert len(journal.batches) == 1
        journal.add(BATCHES[1])
    with Journal(tmp_path / "j", "f") as journal:
        assert len(journal.batches) == 2


def test_batches_of_other_sizes_are_cut_off(tmp_path):
    filled(tmp_path / "j")
    for sizes, kept in (([2, 1, 2], 3), ([2, 1, 2, 9], 3), ([2, 1], 2), ([2, 3, 2], 1)):
        filled(tmp_path / "j")
        with Journal(tmp_path / "j", "f", sizes) as journal:
            assert len(journal.batches) == kept


def test_a_finished_one_is_removed_unless_a_process_has_it(tmp_path):
    with Journal(tmp_path / "j", "f"):
        remove_finished(tmp_path / "j")
        assert (tmp_path / "j").exists()
    remove_finished(tmp_path / "j")
    assert not (tmp_path / "j").exists()
    remove_finished(tmp_path / "j")
    assert not (tmp_path / "j").exists()
