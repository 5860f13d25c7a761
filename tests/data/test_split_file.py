import dataclasses
import json

import numpy as np
import pytest

from drrec.arrays import write_arrays
from drrec.data.split import Split, SplitConfig, split_interactions
from drrec.data.strategies import SPLITS
from drrec.errors import InputError


@pytest.mark.parametrize("strategy", SPLITS)
def test_what_is_saved_loads_alike(tiny_interactions, strategy, tmp_path):
    config = SplitConfig(strategy=strategy, seed=3)
    for split in (made := split_interactions(tiny_interactions, config), made.final()):
        split.save(tmp_path / "split.npz")
        loaded = Split.load(tmp_path / "split.npz", tiny_interactions)
        assert loaded.fingerprint == split.fingerprint
        assert (loaded.config, loaded.is_final) == (split.config, split.is_final)
        for part in ("train", "validation", "test"):
            assert getattr(loaded, part).fingerprint == getattr(split, part).fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["split.npz"]


def test_the_split_of_other_ratings_is_refused(tiny_interactions, tmp_path):
    split_interactions(tiny_interactions).save(tmp_path / "split.npz")
    rating = tiny_interactions.rating.copy()
    rating[5] = 6 - rating[5] + (rating[5] == 3)
    other = dataclasses.replace(tiny_interactions, rating=rating)
    with pytest.raises(InputError, match=r"Expected the split of these ratings .* that of others"):
        Split.load(tmp_path / "split.npz", other)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut", None])
def test_a_damaged_file_is_refused(tiny_interactions, tmp_path, content):
    path = tmp_path / "split.npz"
    split_interactions(tiny_interactions).save(path)
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)
    with pytest.raises(InputError, match="Expected a whole split in") as caught:
        Split.load(path, tiny_interactions)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tiny_interactions, tmp_path):
    with pytest.raises(InputError, match=r"Expected a whole split in .* nothing there"):
        Split.load(tmp_path / "split.npz", tiny_interactions)


def rewrite(path, change, part=None):
    with np.load(path) as file:
        head, parts = json.loads(str(file["head"])), file["part"]
    change(head)
    part = parts if part is None else part(parts)
    write_arrays(path, {"head": np.array(json.dumps(head)), "part": part})


def test_another_version_is_refused(tiny_interactions, tmp_path):
    path = tmp_path / "split.npz"
    split_interactions(tiny_interactions).save(path)
    rewrite(path, lambda head: head.update(version=99))
    with pytest.raises(InputError, match=r"Expected a split of version 1 .* version 99"):
        Split.load(path, tiny_interactions)


def test_moved_rows_are_noticed(tiny_interactions, tmp_path):
    path = tmp_path / "split.npz"
    split_interactions(tiny_interactions).save(path)
    rewrite(path, lambda head: None, part=lambda parts: parts[::-1].copy())
    with pytest.raises(InputError, match="another fingerprint"):
        Split.load(path, tiny_interactions)


def test_a_full_disk_leaves_the_old_file(tiny_interactions, tmp_path, monkeypatch):
    path = tmp_path / "split.npz"
    split_interactions(tiny_interactions).save(path)
    before = path.read_bytes()

    def full(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space left"):
        split_interactions(tiny_interactions, SplitConfig(seed=1)).save(path)
    assert path.read_bytes() == before
    assert [left.name for left in tmp_path.iterdir()] == ["split.npz"]


@pytest.mark.parametrize("name", ["fingerprint", "source", "is_final", "config"])
def test_a_head_that_lacks_something_is_refused(tiny_interactions, tmp_path, name):
    path = tmp_path / "split.npz"
    split_interactions(tiny_interactions).save(path)
    rewrite(path, lambda head: head.pop(name))
    with pytest.raises(InputError, match=f"Expected {name} in .*split.npz"):
        Split.load(path, tiny_interactions)
