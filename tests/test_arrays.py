"""Arrays in files: what is declared is what is read, and whatever else is refused in one line."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drrec.arrays import one_array, read_arrays, write_arrays
from drrec.errors import InputError
from drrec.limits import limited

ARRAYS = {"a": np.arange(40), "b": np.linspace(0, 1, 30), "c": np.array("text")}


def read(path, declared=None, **sizes):
    return read_arrays(path, "vectors", "Train.", declared, **sizes)


def header(shape, dtype="<f4", version=b"\x01\x00"):
    """The first bytes of a `.npy` file."""
    text = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize("compressed", [True, False])
def test_no_damage_to_a_file_goes_by(tmp_path, compressed):
    path = tmp_path / "arrays.npz"
    write_arrays(path, ARRAYS, compressed=compressed)
    whole = path.read_bytes()
    for place in range(0, len(whole), 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        try:
            found = read(path)
        except InputError:
            continue
        # Some bytes of a zip file mean nothing.
        assert found.keys() == ARRAYS.keys()
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(found[name], array)
    for size in range(0, len(whole), 11):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="Expected vectors in"):
            read(path)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(max_size=8)))
def test_columns_of_text_come_back(tmp_path_factory, words):
    path = tmp_path_factory.mktemp("text") / "a.npz"
    column = np.empty(len(words), object)
    column[:] = words
    write_arrays(path, {"words": column})
    found = read(path, {"words": "str [I]"}, I=len(words))
    assert found["words"].tolist() == words


def test_one_long_text_makes_no_other_long(tmp_path):
    write_arrays(tmp_path / "a.npz", {"ids": np.array(["x" * 100_000, *map(str, range(1_000))])})
    assert (tmp_path / "a.npz").stat().st_size < 200_000


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"a": "int [I]"}, "a file with b"),
        ({"a": "int [I]", "b": "float [I]", "c": "str []"}, r"b as float64 \[30\], where float"),
        ({"a": "int [I]", "b": "float32 [J]", "c": "str []"}, "b as float64"),
        ({"a": "float [I]", "b": "float [J]", "c": "str []"}, "a as int64"),
        ({"a": "int [I, D]", "b": "float [J]", "c": "str []"}, "a as int64"),
        ({"a": "int [41]", "b": "float [J]", "c": "str []"}, "a as int64"),
        ({"a": "int [I]", "b": "float [J]", "c": "str []", "d": "int []"}, "a file without d"),
        ({"a": "int [I]", "b": "float [J]", "c": "int []"}, "c as <U4"),
    ],
)
def test_what_is_not_as_declared_is_refused(tmp_path, declared, said):
    write_arrays(tmp_path / "a.npz", ARRAYS)
    with pytest.raises(InputError, match=rf"Expected vectors in .* {said}.* Train\."):
        read(tmp_path / "a.npz", declared)


def test_sizes_that_are_known_count(tmp_path):
    write_arrays(tmp_path / "a.npz", ARRAYS)
    declared = {"a": "int [I]", "b": "float [J]", "c": "str []"}
    assert read(tmp_path / "a.npz", declared, I=40).keys() == ARRAYS.keys()
    with pytest.raises(InputError, match=r"a as int64 \[40\]"):
        read(tmp_path / "a.npz", declared, I=41)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (header((1 << 40,)), "an array .* in"),
        (header((-4,)), "an array"),
        (header((4,), "|O"), "an array .* of object"),
        (header((4,), [("a", "<f4")]), "an array"),
        (header((4,), version=b"\x09\x00"), "version"),
        (header("4"), "shape"),
        (b"\x93NUMPY\x01\x00\x04\x00{'a'", "ValueError|SyntaxError|header|array"),
        (b"not one", "ValueError|EOFError|magic"),
    ],
)
def test_a_header_that_lies_is_refused_before_memory_is_taken(tmp_path, head, said):
    path = archive(tmp_path / "a.npz", a=head + bytes(16), checksum=b"")
    with pytest.raises(InputError, match=rf"Expected vectors in .*({said})"):
        read(path)
    (tmp_path / "a.npy").write_bytes(head + bytes(16))
    with pytest.raises(InputError, match="Expected an array of numbers in"):
        one_array(tmp_path / "a.npy")


def test_more_than_the_limit_is_refused_before_it_is_unpacked(tmp_path):
    write_arrays(tmp_path / "a.npz", {"a": np.zeros(1 << 20)}, compressed=True)
    assert read(tmp_path / "a.npz")["a"].shape == (1 << 20,)
    with limited(max_bytes=1 << 20), pytest.raises(InputError, match="--max-bytes"):
        read(tmp_path / "a.npz")


def test_a_file_without_a_checksum_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", **ARRAYS)
    with pytest.raises(InputError, match="without a checksum"):
        read(tmp_path / "a.npz")


def test_what_was_changed_since_is_refused(tmp_path):
    write_arrays(tmp_path / "a.npz", ARRAYS)
    with np.load(tmp_path / "a.npz") as file:
        members = dict(file)
    members["b"] = members["b"] + 1
    np.savez(tmp_path / "a.npz", **members)
    with pytest.raises(InputError, match="checksum is another"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize("ends", [[2, 1, 4], [1, 2], [1, 2, 9]])
def test_text_whose_ends_are_wrong_is_refused(tmp_path, ends):
    text = np.frombuffer(b"abcd", np.uint8)
    write_arrays(tmp_path / "a.npz", {"ids:utf8": text, "ids:ends": np.array(ends)})
    with pytest.raises(InputError, match="ends are not in order"):
        read(tmp_path / "a.npz")


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (exec, ("raise SystemExit('unpickled')",))

    buffer = io.BytesIO()
    np.save(buffer, np.array([Trap()], dtype=object))
    path = archive(tmp_path / "a.npz", a=buffer.getvalue(), checksum=b"")
    with pytest.raises(InputError, match="of object"):
        read(path)


def test_an_array_of_others_is_read(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(6.0).reshape(2, 3))
    assert one_array(tmp_path / "a.npy").tolist() == [[0, 1, 2], [3, 4, 5]]
