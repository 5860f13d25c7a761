"""Lines of files, plain or compressed: which are rows, and which are named as bad."""

import gzip
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drrec.data.engine import engine
from drrec.data.published.reading import read_lines
from drrec.data.published.sql import Check, Form
from drrec.errors import InputError

DIGITS = Check(r"NOT regexp_full_match(line, '\d+')", "digits")
WHOLE = Form(fields="line", columns={"number": "TRY_CAST(f AS INTEGER)"}, checks=(DIGITS,))
AS_IT_IS = Form(fields="line", columns={"text": "f"})


def read(path, form=WHOLE, bad_rows="stop"):
    """The lines of a file, and what they say."""
    scratch = path.with_name("scratch")
    scratch.mkdir(exist_ok=True)
    with engine(scratch, [path]) as connection:
        found = read_lines(connection, path, form, scratch, bad_rows)
        rows = connection.execute(f"{found.rows} ORDER BY line").fetchall()
    return found, [row[0] for row in rows]


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
    assert read(file(content, zipped=zipped))[1] == [1, 2, 3]


@given(lines=st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]))))
@settings(max_examples=25)
def test_lines_are_split_where_they_were_joined(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("lines") / "log"
    path.write_bytes("".join(f"a{line}\n" for line in ["", *lines]).encode())
    assert read(path, AS_IT_IS)[1] == [f"a{line}" for line in ["", *lines]]


@pytest.mark.parametrize("mark", ["\0", "\x01", "\x02", "\r", "\x1f"])
def test_a_control_character_stays_in_its_line(file, mark):
    text = f"a\nb{mark}c\nd"
    (first, second, third) = read(file(text.encode()), AS_IT_IS)[1]
    assert (first, second[0], second[-1], third) == ("a", "b", "c", "d")
    assert len(second) == 3
    assert second[1] < " " or second[1] == "\x7f"


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("number", [1, 2, 4])
def test_the_first_bad_row_is_named(file, number, zipped):
    lines = [b"1", b"2", b"3"]
    lines.insert(number - 1, b"x")
    path = file(b"\n".join([*lines, b"y", b""]), zipped=zipped)
    with pytest.raises(InputError, match=rf"Received: 'x' in line {number} of .*--bad-rows skip"):
        read(path)


def test_a_header_is_no_row_but_counts_as_a_line(file):
    form = Form(fields="line", columns=WHOLE.columns, checks=(DIGITS,), has_header=True)
    with pytest.raises(InputError, match="in line 3 of"):
        read(file(b"name\n1\nx\n"), form)
    assert read(file(b"name\n1\n2\n"), form)[1] == [1, 2]


def test_places_are_those_among_lines_that_are_not_blank(file):
    form = Form(fields="line", columns=WHOLE.columns, checks=(DIGITS,), places="place")
    path = file(b"\n7\nx\n\n8\n9\n")
    scratch = path.with_name("scratch")
    scratch.mkdir()
    with engine(scratch, [path]) as connection:
        found = read_lines(connection, path, form, scratch, "skip")
        rows = connection.execute(f"SELECT number, place FROM ({found.rows})").fetchall()
    assert sorted(rows) == [(7, "0"), (8, "2"), (9, "3")]


@pytest.mark.parametrize("bad", [b"x", b"\xff", b"4\x015", b"6\r7"])
def test_bad_rows_are_skipped_counted_and_the_first_named(file, caplog, bad):
    with caplog.at_level(logging.WARNING):
        found, numbers = read(file(b"1\n" + bad + b"\n2\n\xff\n3\n"), bad_rows="skip")
    assert numbers == [1, 2, 3]
    assert (found.num_read, found.num_skipped) == (3, 2)
    assert "in line 2 of" in found.first_skipped
    assert "skipped 2 malformed rows" in caplog.text
    assert found.is_ended


def test_a_file_of_bad_rows_is_another_file(file):
    with pytest.raises(InputError, match=r"Received: 2 of 3, the first: .* in line 1 of"):
        read(file(b"x\n1\ny\n"), bad_rows="skip")


@pytest.mark.parametrize("bad_rows", ["stop", "skip"])
@pytest.mark.parametrize("before", [b"", b"y\n"])
def test_a_broken_end_is_a_cut_file_even_where_bad_rows_are_skipped(file, bad_rows, before):
    content = before + b"1\n2\nx"
    where = "in line 1 of" if bad_rows == "stop" and before else r"in line \d of .*may be cut short"
    with pytest.raises(InputError, match=where):
        read(file(content), bad_rows=bad_rows)
    found, numbers = read(file(b"1\n2\n3"))
    assert numbers == [1, 2, 3]
    assert not found.is_ended


def test_bytes_that_are_no_utf_8_are_a_bad_row(file):
    with pytest.raises(InputError, match=r"Expected UTF-8\. Received: .*xe9.* in line 2 of"):
        read(file(b"1\n2\xe9\n3\n"))


def test_a_cut_or_damaged_gzip_file_is_refused(tmp_path):
    path = tmp_path / "log.gz"
    content = "".join(f"{number * 7919 % 99991}\n" for number in range(50_000)).encode()
    whole = gzip.compress(content)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 255
    for broken in (whole[:-2000], whole[:-4], bytes(damaged)):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=rf"Expected a whole file at {path}\..*Get it again"):
            read(path)


@pytest.mark.parametrize("zipped", [False, True])
def test_an_empty_file_is_refused(file, zipped):
    with pytest.raises(InputError, match="Received: an empty file"):
        read(file(b"", zipped=zipped))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="Expected a readable file at"):
        read(tmp_path / "log")
