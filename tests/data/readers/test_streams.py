import gzip
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drrec.data.readers import streams
from drrec.data.readers.streams import Fault, Rows
from drrec.errors import InputError


def whole(text: str) -> int:
    if not text.isdigit():
        raise Fault(f"Expected digits. Received: {text!r}")
    return int(text)


@pytest.fixture
def file(tmp_path):
    def written(content: bytes, *, zipped: bool = False):
        path = tmp_path / ("log.gz" if zipped else "log")
        path.write_bytes(gzip.compress(content) if zipped else content)
        return path

    return written


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    "content",
    [b"1\n2\n3\n", b"1\r\n2\r\n3\r\n", b"\xef\xbb\xbf1\n2\n3\n", b"1\n\n2\n   \n3", b"\n1\n2\n3\n"],
    ids=["plain", "windows", "bom", "blank lines", "first blank"],
)
def test_harmless_variants_read_alike(file, content, zipped):
    assert list(Rows(file(content, zipped=zipped), whole)) == [1, 2, 3]


@given(lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r"))))
def test_lines_are_split_where_they_were_joined(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("lines") / "log"
    path.write_bytes("".join(f"a{line}\n" for line in ["", *lines]).encode())
    assert list(Rows(path, str)) == [f"a{line}" for line in ["", *lines]]


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("number", [1, 2, 4])
def test_the_first_bad_row_is_named(file, number, zipped):
    lines = [b"1", b"2", b"3"]
    lines.insert(number - 1, b"x")
    path = file(b"\n".join([*lines, b"y", b""]), zipped=zipped)
    with pytest.raises(InputError, match=rf"Received: 'x' in line {number} of .*--bad-rows skip"):
        list(Rows(path, whole))


def test_a_header_is_no_row_but_counts_as_a_line(file):
    path = file(b"name\n1\nx\n")
    with pytest.raises(InputError, match="in line 3 of"):
        list(Rows(path, whole, has_header=True))


def test_bad_rows_are_skipped_counted_and_the_first_named(file, caplog):
    rows = Rows(file(b"1\nx\n2\n\xff\n3\n"), whole, bad_rows="skip")
    with caplog.at_level(logging.WARNING):
        assert list(rows) == [1, 2, 3]
    assert (rows.num_read, rows.num_skipped) == (3, 2)
    assert "'x' in line 2 of" in rows.first_skipped
    assert "skipped 2 malformed rows" in caplog.text
    assert rows.is_ended


def test_a_file_of_bad_rows_is_another_file(file):
    with pytest.raises(InputError, match=r"Received: 2 of 3, the first: .* in line 1 of"):
        list(Rows(file(b"x\n1\ny\n"), whole, bad_rows="skip"))


def test_a_broken_end_is_a_cut_file_even_where_bad_rows_are_skipped(file):
    with pytest.raises(InputError, match=r"in line 3 of .*may be cut short"):
        list(Rows(file(b"1\n2\nx"), whole, bad_rows="skip"))
    rows = Rows(file(b"1\n2\n3"), whole)
    assert list(rows) == [1, 2, 3]
    assert not rows.is_ended


def test_bytes_that_are_no_utf_8_are_a_bad_row(file):
    with pytest.raises(InputError, match=r"Expected UTF-8\. Received: .*xe9.* in line 2 of"):
        list(Rows(file(b"1\n2\xe9\n3\n"), whole))


def test_a_cut_gzip_file_is_named_with_the_line_it_ends_at(tmp_path):
    path = tmp_path / "log.gz"
    content = "".join(f"{number * 7919 % 99991}\n" for number in range(50_000)).encode()
    path.write_bytes(gzip.compress(content)[:-2000])
    rows = Rows(path, whole)
    with pytest.raises(InputError, match=rf"Expected a whole gzip file at {path}.*after line \d+"):
        list(rows)
    assert rows.num_read > 1000


def test_a_damaged_gzip_file_is_refused(tmp_path):
    path = tmp_path / "log.gz"
    content = bytearray(gzip.compress(b"1\n2\n3\n" * 999))
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(InputError, match="Expected a whole gzip file"):
        list(Rows(path, whole))


@pytest.mark.parametrize("zipped", [False, True])
def test_an_empty_file_is_refused(file, zipped):
    path = file(b"", zipped=zipped)
    with pytest.raises(InputError, match="Received: an empty file"):
        list(Rows(path, whole))
    with pytest.raises(InputError, match="Received: an empty file"):
        streams.header(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="Expected a readable file at"):
        list(Rows(tmp_path / "log", whole))


def test_the_first_line_is_without_end_and_bom(file):
    assert streams.header(file(b"\xef\xbb\xbfuser,item\r\n1,2\r\n", zipped=True)) == "user,item"
    with pytest.raises(InputError, match=r"Expected UTF-8\. .* in line 1 of"):
        streams.header(file(b"\xff\n"))
