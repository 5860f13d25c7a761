import errno
import hashlib
import stat
import zipfile

import pytest

from drrec.data import archives
from drrec.errors import InputError


def make(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return path


@pytest.fixture
def good(tmp_path):
    members = {"ml/": "", "ml/u.data": "1\t2\t3\t4\n", "ml/deep/x": "y", "else": "z"}
    return make(tmp_path / "good.zip", members)


def left(folder):
    """All that lies beside the archive."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".zip")


def test_takes_what_lies_inside_one_folder(tmp_path, good):
    archives.unpack(good, tmp_path / "data" / "out", inside="ml")
    assert (tmp_path / "data" / "out" / "u.data").read_text() == "1\t2\t3\t4\n"
    assert (tmp_path / "data" / "out" / "deep" / "x").read_text() == "y"
    assert left(tmp_path / "data") == ["out"]
    assert left(tmp_path / "data" / "out") == ["deep", "u.data"]


def test_takes_only_what_is_asked_for(tmp_path, good):
    archives.unpack(good, tmp_path / "out", inside="ml", only=["u.data"])
    assert left(tmp_path / "out") == ["u.data"]


def test_a_missing_member_is_refused(tmp_path, good):
    for inside, only in (("ml", ["u.data", "u.item"]), ("other", [])):
        with pytest.raises(InputError, match=f"Expected .* under {inside}/"):
            archives.unpack(good, tmp_path / "out", inside=inside, only=only)
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["../evil", "ml/../../evil", "/evil", "ml\\..\\evil", "C:/evil", "ml/a/../../../evil"]
)
def test_a_path_that_leads_out_is_refused(tmp_path, name):
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    archive = make(place / "bad.zip", {"ml/u.data": "x", name: "evil"})
    with pytest.raises(InputError, match="Expected only plain files inside"):
        archives.unpack(archive, place / "out", inside="ml")
    assert left(place) == []
    assert not list(tmp_path.rglob("evil"))


def test_a_link_is_refused(tmp_path):
    link = zipfile.ZipInfo("ml/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive = make(tmp_path / "bad.zip", {"ml/u.data": "x"})
    with zipfile.ZipFile(archive, "a") as zipped:
        zipped.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match=r"Expected only plain files .* 'ml/link'"):
        archives.unpack(archive, tmp_path / "out", inside="ml")
    assert left(tmp_path) == []


def test_too_large_an_archive_is_refused(tmp_path, monkeypatch, good):
    monkeypatch.setattr(archives, "LARGEST_UNPACKED", 5)
    with pytest.raises(InputError, match="Expected at most 5 bytes"):
        archives.unpack(good, tmp_path / "out", inside="ml")
    assert left(tmp_path) == []


@pytest.mark.parametrize("damage", ["cut", "flip", "text"])
def test_a_damaged_archive_leaves_nothing(tmp_path, damage):
    archive = make(tmp_path / "bad.zip", {"ml/a": "a" * 999, "ml/b": "b" * 999})
    content = bytearray(archive.read_bytes())
    if damage == "flip":
        content[40] ^= 0xFF  # within the first member: only reading it tells
    archive.write_bytes({"cut": content[:-30], "flip": content, "text": b"<html>"}[damage])
    with pytest.raises(InputError, match="Expected a whole zip file"):
        archives.unpack(archive, tmp_path / "out", inside="ml")
    assert left(tmp_path) == []


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, good):
    def full(source, target, size):
        target.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        archives.unpack(good, tmp_path / "out", inside="ml")
    assert left(tmp_path) == []


def test_another_digest_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    digest = hashlib.sha256(b"content").hexdigest()
    archives.check_sha256(path, digest)
    with pytest.raises(InputError, match=f"Expected SHA-256 {'0' * 64} .* Received: {digest}"):
        archives.check_sha256(path, "0" * 64)
