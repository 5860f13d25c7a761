import fcntl
import json
import math
import os
import pathlib
import stat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drrec.errors import InputError
from drrec.files import (
    replaced,
    sweep,
    to_json,
    whole_folder,
    write_json,
    write_text,
)
from drrec.reading import read_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_the_place_of_the_old_one(tmp_path):
    write_text(tmp_path / "deep" / "file.txt", "old")
    write_text(tmp_path / "deep" / "file.txt", "né")
    assert (tmp_path / "deep" / "file.txt").read_bytes() == "né".encode()
    assert names(tmp_path / "deep") == ["file.txt"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_the_umask_says_who_may_read_it(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        for _ in range(2):  # new, and in the place of another
            write_text(tmp_path / "file.txt", "text")
            assert stat.S_IMODE(os.stat(tmp_path / "file.txt").st_mode) == mode
        with whole_folder(tmp_path / "made") as side:
            (side / "file").write_text("text")
            assert stat.S_IMODE(os.stat(side).st_mode) & umask == 0, "not even while it is filled"
        assert stat.S_IMODE(os.stat(tmp_path / "made").st_mode) == mode | (mode & 0o444) >> 2
        assert stat.S_IMODE(os.stat(tmp_path / "made" / "file").st_mode) == mode
    finally:
        os.umask(before)


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "file.txt", "old")

    def fail():
        with replaced(tmp_path / "file.txt") as side:
            side.write_text("half")
            assert (tmp_path / "file.txt").read_text() == "old"
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fail()
    assert names(tmp_path) == ["file.txt"]
    assert (tmp_path / "file.txt").read_text() == "old"


def test_side_files_that_a_killed_process_left_are_removed_and_live_ones_are_not(tmp_path):
    left = tmp_path / ".file.txt.abc.part"
    left.mkdir()
    (left / "file.txt").write_text("half")
    with replaced(tmp_path / "file.txt") as side:
        assert not left.exists()
        side.write_text("slow")
        write_text(tmp_path / "file.txt", "quick")
        sweep(tmp_path)
        assert side.read_text() == "slow"
    assert (tmp_path / "file.txt").read_text() == "slow"
    assert names(tmp_path) == ["file.txt"]


def test_a_sweep_goes_below_and_leaves_what_is_no_side_folder(tmp_path):
    (tmp_path / "run" / ".step.npz.abc.part").mkdir(parents=True)
    (tmp_path / "run" / ".step.npz.abc.part" / "step.npz").write_text("half")
    (tmp_path / "run" / ".journal.part").write_text("batches")
    (tmp_path / "run" / "kept").mkdir()
    sweep(tmp_path)
    assert names(tmp_path / "run") == [".journal.part", "kept"]
    sweep(tmp_path / "missing")


def test_json_is_strict():
    value = {
        "a": float("nan"),
        "b": [float("inf"), -float("inf"), 1.5],
        "c": (np.float32(0.5), np.int64(3), np.bool_(True), np.float64("nan")),
        2: {"d": None, "e": "ü", "f": True},
    }

    def refuse(constant):
        raise AssertionError(constant)

    assert json.loads(to_json(value), parse_constant=refuse) == {
        "a": None,
        "b": [None, None, 1.5],
        "c": [0.5, 3, True, None],
        "2": {"d": None, "e": "ü", "f": True},
    }


NUMBERS = st.floats() | st.integers() | st.floats(width=32).map(np.float32)
ARRAYS = st.lists(st.floats(), max_size=4).map(np.array)
VALUES = st.recursive(
    st.none() | st.booleans() | st.text() | NUMBERS | ARRAYS,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def plain(value):
    """What JSON has of it: null for what is not finite, lists for what is in a row."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


@given(VALUES)
def test_json_has_null_for_what_is_not_finite_at_any_depth(value):
    def refuse(constant):
        raise AssertionError(constant)

    assert json.loads(to_json(value), parse_constant=refuse) == plain(value)


def test_json_round_trip(tmp_path):
    write_json(tmp_path / "value.json", {"a": [1, 2.5, "ü"]})
    assert read_json(tmp_path / "value.json") == {"a": [1, 2.5, "ü"]}


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1', b"\xff\xfe"])
def test_what_is_not_json_is_refused(tmp_path, content):
    (tmp_path / "value.json").write_bytes(content)
    with pytest.raises(InputError, match=r"Expected JSON in .*value.json"):
        read_json(tmp_path / "value.json")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"Expected a file at .* nothing there"):
        read_json(tmp_path / "value.json")


def test_folders_that_a_killed_process_left_are_removed_and_live_ones_are_not(tmp_path):
    left = tmp_path / ".made.abc.part"
    left.mkdir()
    (left / "file").write_text("half")
    (tmp_path / ".other.abc.part").mkdir()
    (tmp_path / ".made.file.part").write_text("not a folder")

    def made_twice():
        with whole_folder(tmp_path / "made") as slow:
            (slow / "file").write_text("slow")
            assert not left.exists()
            with whole_folder(tmp_path / "made") as quick:
                assert slow.exists()
                (quick / "file").write_text("quick")

    with pytest.raises(OSError, match="not empty"):
        made_twice()
    assert (tmp_path / "made" / "file").read_text() == "quick"
    assert names(tmp_path) == [".made.file.part", ".other.abc.part", "made"]


@pytest.mark.parametrize(("module", "name"), [(os, "open"), (fcntl, "flock")])
def test_a_folder_that_another_process_removes_before_it_is_locked_is_made_again(
    tmp_path, monkeypatch, module, name
):
    original, taken = getattr(module, name), []

    def late(*given):
        if not taken:
            taken.extend(tmp_path.glob(".made.*.part"))
            taken[0].rmdir()
        return original(*given)

    def first_open(path, *given):
        return late(path, *given) if isinstance(path, pathlib.Path) else original(path, *given)

    monkeypatch.setattr(module, name, first_open if name == "open" else late)
    with whole_folder(tmp_path / "made") as side:
        (side / "file").write_text("whole")
    assert taken
    assert names(tmp_path) == ["made"]
