"""HDF5 files that were made to do harm: refused before memory is taken, and out of harm's way."""

import contextlib
import os
import signal
import threading
import time

import h5py
import numpy as np
import pytest

from drrec.features import hdf5
from drrec.features.hdf5 import Damaged, read_file
from drrec.limits import limited

ITEMS, DIM = 4, 3


def write(path, change=None):
    """A sound file, changed."""
    with h5py.File(path, "w") as file:
        file.attrs["schema_version"] = 1
        file.attrs["dataset"] = "mine"
        file.create_dataset("item_ids", data=list("abcd"), dtype=h5py.string_dtype())
        group = file.create_group("video")
        group.create_dataset("features", data=np.ones((ITEMS, DIM), np.float32))
        group.create_dataset("present", data=np.ones(ITEMS, bool))
        if change:
            change(file)
    return path


def instead(name, **arguments):
    """Another data set in the place of one."""

    def change(file):
        del file[name]
        file.create_dataset(name, **arguments)

    return change


def linked(name, link):
    def change(file):
        del file[name]
        file[name] = link

    return change


def stored_outside(file):
    outside = os.path.join(os.path.dirname(file.filename), "outside.raw")
    np.ones((ITEMS, DIM), np.float32).tofile(outside)
    del file["video/features"]
    file.create_dataset(
        "video/features", (ITEMS, DIM), "float32", external=[(outside, 0, h5py.h5f.UNLIMITED)]
    )


def virtual(file):
    layout = h5py.VirtualLayout((ITEMS, DIM), "float32")
    layout[:] = h5py.VirtualSource("missing.h5", "features", (ITEMS, DIM))
    del file["video/features"]
    file.create_virtual_dataset("video/features", layout)


def attribute(name, value):
    return lambda file: file["video"].attrs.__setitem__(name, value)


def test_a_sound_file_is_read(tmp_path):
    stored = read_file(write(tmp_path / "a.h5"))
    assert (stored.version, stored.dataset, stored.ids) == (1, "mine", list("abcd"))
    assert stored.modalities["video"].features.tolist() == [[1.0] * DIM] * ITEMS
    assert stored.modalities["video"].present.tolist() == [True] * ITEMS
    assert not read_file(tmp_path / "a.h5", rows=False).ids


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (linked("video/features", h5py.ExternalLink("other.h5", "/x")), "a link to elsewhere"),
        (linked("video/features", h5py.SoftLink("/item_ids")), "a link to elsewhere"),
        (linked("video", h5py.ExternalLink("other.h5", "/")), "a link to elsewhere|no video"),
        (linked("item_ids", h5py.SoftLink("/video/present")), "a link to elsewhere"),
        (stored_outside, "lies in another file"),
        (virtual, "lies in another file"),
        (instead("video/features", shape=(ITEMS, 10**9), dtype="float32"), "--max-dim"),
        (instead("video/features", shape=(10**12, DIM), dtype="float32"), "--max-bytes"),
        (instead("video/features", shape=(10**6, DIM), dtype="float32"), "present"),
        (instead("video/features", shape=(ITEMS, 0), dtype="float32"), "--max-dim"),
        (instead("video/features", shape=(ITEMS, DIM), dtype="int64"), "of int64"),
        (instead("video/features", data=h5py.Empty("float32")), r"features \[\]"),
        (instead("video/present", data=np.ones(ITEMS, np.int8)), "present"),
        (instead("item_ids", data=np.arange(ITEMS)), "."),
        (instead("item_ids", data=["x" * 2_000] * ITEMS), "--max-id-length"),
        (instead("item_ids", shape=(10**15,), dtype="S8"), "item_ids"),
        (instead("item_ids", shape=(ITEMS,), dtype="S200000"), "--max-id-length"),
        (instead("item_ids", data=["a"]), "4 rows and 1 ids"),
        (lambda file: file.__delitem__("item_ids"), "no item_ids"),
        (lambda file: file["video"].__delitem__("present"), "no present"),
        (lambda file: file.__setitem__("text", np.ones(3)), "that is a dataset"),
        (attribute("encoder", np.zeros(1_000)), "no text and no number"),
        (attribute("encoder", h5py.Empty("f")), "."),
        (lambda file: file.attrs.__setitem__("dataset", [1, 2]), "no text and no number"),
    ],
)
def test_a_file_that_is_made_to_do_harm_is_refused(tmp_path, change, said):
    path = write(tmp_path / "a.h5", change)
    with pytest.raises(Damaged, match=said):
        read_file(path)
    assert read_file(write(tmp_path / "b.h5")).ids == list("abcd")


def test_more_than_the_memory_is_refused_and_the_next_is_read(tmp_path, monkeypatch):
    def none_left(*_):
        raise MemoryError

    path = write(tmp_path / "a.h5")
    with monkeypatch.context() as patch:
        patch.setattr(hdf5, "_received", none_left)
        with pytest.raises(Damaged, match="memory"):
            read_file(path)
    assert read_file(path).dataset == "mine"


def test_limits_are_the_callers(tmp_path):
    path = write(tmp_path / "a.h5")
    with limited(max_dim=2), pytest.raises(Damaged, match="at most 2 dimensions"):
        read_file(path)
    assert read_file(path).dataset == "mine"


@pytest.mark.parametrize(
    ("with_signal", "said"),
    [(signal.SIGSEGV, r"crashes on \(status -11\)"), (None, "could not be read within 0 s")],
)
def test_what_kills_or_holds_up_the_library_is_refused_and_the_next_is_read(
    tmp_path, monkeypatch, with_signal, said
):
    os.mkfifo(tmp_path / "held.h5")  # opening it waits for ever
    read_file(write(tmp_path / "a.h5"))
    child = hdf5._reader._process.pid
    if with_signal:
        threading.Timer(0.2, os.kill, (child, with_signal)).start()
    else:
        monkeypatch.setattr(hdf5, "_SECONDS", 0.2)
    started = time.monotonic()
    with pytest.raises(Damaged, match=said):
        read_file(tmp_path / "held.h5")
    assert time.monotonic() - started < 30
    monkeypatch.undo()
    assert read_file(tmp_path / "a.h5").dataset == "mine"
    assert hdf5._reader._process.pid != child


def test_no_damage_leaves_a_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "_SECONDS", 1.0)  # the library goes round in circles in some
    whole = write(tmp_path / "a.h5").read_bytes()
    random = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), 4):
            damaged[place] = random.integers(256)
        (tmp_path / "b.h5").write_bytes(damaged)
        with contextlib.suppress(Damaged):
            read_file(tmp_path / "b.h5")
