"""A power loss at any moment leaves the old whole, the new whole, or nothing."""

import os
import pathlib
import stat
import zipfile

import numpy as np
import pytest
from tests.power import Disk

from drrec import files
from drrec.data.archives import unpack
from drrec.features.journal import Batch, Journal
from drrec.files import removed, replaced, whole_folder, write_text

BATCHES = [
    Batch(np.full((2, 3), number, np.float32), np.array([True, False]), ["", f"no. {number}"])
    for number in range(4)
]


@pytest.fixture
def root(tmp_path):
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


def losses(root, monkeypatch, work):
    """What a loss at any moment of `work(disk)` may leave."""
    disk = Disk(root)
    try:
        with disk.watching(monkeypatch):
            work(disk)
        found = list(disk.losses(root.parent / "losses"))
    finally:
        disk.close()
    assert len(found) > 3
    return found


def text(path):
    return path.read_text() if path.exists() else None


def content(folder):
    """Every file below, or None where there is no such folder."""
    if not folder.exists():
        return None
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def replace_a_file(disk):
    write_text(disk.root / "file.txt", "new content")
    disk.done = 1


def replaced_wrongly(root, monkeypatch):
    (root / "file.txt").write_text("old")
    return [
        loss.how
        for loss in losses(root, monkeypatch, replace_a_file)
        if text(loss.folder / "file.txt")
        not in (["new content"] if loss.done else ["old", "new content"])
    ]


def test_a_file_is_the_old_or_the_new_one_and_the_new_once_it_returned(root, monkeypatch):
    assert replaced_wrongly(root, monkeypatch) == []


@pytest.mark.parametrize("forgotten", ["file", "folder"])
def test_a_forgotten_flush_is_found(root, monkeypatch, forgotten):
    plain = files.flush
    monkeypatch.setattr(
        files,
        "flush",
        lambda path: pathlib.Path(path).is_dir() == (forgotten == "file") and plain(path),
    )
    assert replaced_wrongly(root, monkeypatch)


def test_a_new_file_in_new_folders_is_whole_or_absent(root, monkeypatch):
    def work(disk):
        write_text(disk.root / "a" / "b" / "file.txt", "new")
        disk.done = 1

    for loss in losses(root, monkeypatch, work):
        assert text(loss.folder / "a/b/file.txt") in (["new"] if loss.done else [None, "new"]), (
            loss.how
        )


def made_wrongly(root, monkeypatch):
    def work(disk):
        with whole_folder(disk.root / "made") as side:
            (side / "inner").mkdir()
            (side / "inner" / "one").write_text("1")
            (side / "two").write_text("22")
        disk.done = 1

    whole = {"inner/one": "1", "two": "22"}
    return [
        loss.how
        for loss in losses(root, monkeypatch, work)
        if content(loss.folder / "made") not in ([whole] if loss.done else [None, whole])
    ]


def test_a_folder_is_whole_or_absent(root, monkeypatch):
    assert made_wrongly(root, monkeypatch) == []


@pytest.mark.parametrize("forgotten", ["one", "inner", "two", "disk"])
def test_each_flush_of_a_folder_counts(root, monkeypatch, forgotten):
    plain = files.flush
    monkeypatch.setattr(
        files, "flush", lambda path: pathlib.Path(path).name != forgotten and plain(path)
    )
    assert made_wrongly(root, monkeypatch)


def test_an_archive_is_unpacked_whole_or_not_at_all(root, monkeypatch):
    archive = root.parent / "log.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("log/deep/a", "aaaa")
        zipped.writestr("log/b", "b")
    whole = {"deep/a": "aaaa", "b": "b"}

    def work(disk):
        unpack(archive, disk.root / "log", "log")
        disk.done = 1

    for loss in losses(root, monkeypatch, work):
        assert content(loss.folder / "log") in ([whole] if loss.done else [None, whole]), loss.how


def test_a_folder_is_removed_whole(root, monkeypatch):
    (root / "run").mkdir()
    (root / "run" / "config").write_text("c")
    (root / "run" / "rest").write_text("r")

    def work(disk):
        removed(disk.root / "run")
        disk.done = 1

    whole = {"config": "c", "rest": "r"}
    for loss in losses(root, monkeypatch, work):
        assert content(loss.folder / "run") in ([None] if loss.done else [None, whole]), loss.how


def test_permissions_are_those_of_a_file(root):
    with replaced(root / "file") as side:
        side.write_text("text")
    assert stat.S_IMODE(os.stat(root / "file").st_mode) == 0o644


def equal(one, other):
    return (
        np.array_equal(one.features, other.features)
        and np.array_equal(one.present, other.present)
        and one.reasons == other.reasons
    )


def fill(disk, fingerprint="f" * 64):
    with Journal(disk.root / "new" / "j", fingerprint) as journal:
        disk.done = len(journal.batches)
        for batch in BATCHES[disk.done :]:
            journal.add(batch)
            disk.done += 1


def recovered(loss, fingerprint="f" * 64):
    with Journal(loss.folder / "new" / "j", fingerprint) as journal:
        return journal.batches


def assert_recovered(loss, fingerprint="f" * 64):
    found = recovered(loss, fingerprint)
    assert len(found) >= loss.done, loss.how
    assert all(map(equal, found, BATCHES)), loss.how


def test_a_journal_has_all_batches_whose_add_returned(root, monkeypatch):
    for loss in losses(root, monkeypatch, fill):
        assert_recovered(loss)


def test_a_journal_that_is_cut_back_loses_nothing_that_was_whole(root, monkeypatch):
    (root / "new").mkdir()
    with Journal(root / "new" / "j", "f" * 64) as journal:
        journal.add(BATCHES[0])
        end = (root / "new" / "j").stat().st_size
        for batch in BATCHES[1:]:
            journal.add(batch)
    torn = bytearray((root / "new" / "j").read_bytes())
    torn[end + 20] ^= 1  # the second batch, with two good ones behind it
    (root / "new" / "j").write_bytes(torn)
    for loss in losses(root, monkeypatch, fill):
        assert_recovered(loss)


def test_no_batch_of_an_earlier_fingerprint_comes_back(root, monkeypatch):
    """The heads of both are as long: what was not cut off in time would fit behind the new one."""
    (root / "new").mkdir()
    with Journal(root / "new" / "j", "g" * 64) as journal:
        for _ in BATCHES:
            journal.add(BATCHES[3])
    for loss in losses(root, monkeypatch, fill):
        assert_recovered(loss)
