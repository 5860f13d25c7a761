import codecs
import dataclasses
import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drrec.data.config import LogConfig
from drrec.data.interactions import Interactions
from drrec.data.logs import dataset_of
from drrec.data.readers import lines, text
from drrec.data.readers.columns import Columns
from drrec.data.readers.lines import header
from drrec.data.readers.staged import staging
from drrec.data.readers.text import LogTable
from drrec.data.scale import TAKEN
from drrec.errors import InputError

COLUMNS = Columns(user=0, item=1, rating=2, timestamp=3)
TABLE = LogTable(separator="\t", num_fields=4, columns=COLUMNS)
DOUBLE = dataclasses.replace(TABLE, separator="::")
QUOTED = dataclasses.replace(TABLE, separator=",", is_quoted=True, before=1)
FEW = settings(max_examples=settings().max_examples // 3)
"""Draws, for to begin DuckDB for each takes longer than to read it."""
GOOD = b"196\t242\t3\t881250949\n186\t302\t3.5\t891717742\n22\t377\t1\t878887116\n"


def read_log(path, table, **settings):
    with staging(str(path), [path]) as log:
        text.read(path, table, log)
        return dataset_of(log, "log", LogConfig(**settings))


@pytest.fixture
def read(tmp_path):
    def _read(content: bytes, table: LogTable = TABLE, **settings) -> Interactions:
        path = tmp_path / "ratings"
        path.write_bytes(content)
        return read_log(path, table, **settings).interactions

    return _read


def test_reads_what_is_there(read):
    log = read(GOOD)
    assert log.users.raw.tolist() == ["22", "186", "196"]
    assert log.items.raw[log.item].tolist() == ["377", "302", "242"]
    assert log.rating.tolist() == [1, 3.5, 3]
    assert log.timestamp.tolist() == [878887116, 891717742, 881250949]


@pytest.mark.parametrize(
    "content",
    [
        GOOD.replace(b"\n", b"\r\n"),
        codecs.BOM_UTF8 + GOOD,
        GOOD.rstrip(b"\n"),
        GOOD.replace(b"\n", b"\n\n"),
        GOOD.replace(b"881250949", b"881250949.0"),
        codecs.BOM_UTF8 + GOOD.replace(b"\n", b"\r\n").rstrip(),
    ],
    ids=["windows", "bom", "no last line end", "blank lines", "float seconds", "all"],
)
def test_harmless_variants_load_alike(read, content):
    assert read(content).fingerprint == read(GOOD).fingerprint


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"186\t302\tabc\t891717742", "Expected a rating that is a finite number"),
        (b"186\t302\tnan\t891717742", "Received: 'nan'"),
        (b"186\t302\tinf\t891717742", "Received: 'inf'"),
        (b"186\t302\t1e300\t891717742", r"Received: '1e\+?300'"),
        (b"186\t302\t\t891717742", "Expected a rating"),
        (b"186\t302\t3\t-5", "Expected a timestamp .* Received: '-5'"),
        (b"186\t302\t3\t891717742000", "Expected a timestamp .* in seconds as most rows have"),
        (b"186\t302\t3\tyesterday", "Expected a timestamp .* Received: 'yesterday'"),
        (b"186\t302\t3", "Expected 4 fields .* Received: 3"),
        (b"186", "Expected 4 fields .* Received: 1"),
        (b"186\t302\t3\t891717742\t9", "Expected 4 fields .* Received: 5"),
    ],
)
@pytest.mark.parametrize("place", [1, 3])
def test_a_bad_row_is_refused_by_its_line_number(read, bad, message, place):
    lines = GOOD.splitlines()
    lines.insert(place - 1, bad)
    with pytest.raises(InputError, match=message) as caught:
        read(b"\n".join([*lines, b""]))
    assert f"in line {place} of " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_error_shows_no_windows_line_end(read):
    with pytest.raises(InputError, match="Received: 'x' in line 1"):
        read(b"1\t2\tx\t3\r\n")


def test_blank_lines_and_headers_count_as_lines(read):
    with pytest.raises(InputError, match="in line 5 of"):
        read(b"user,item,rating,time\n\n1,2,3,4\n\n1,3,x,4\n", QUOTED)


@pytest.mark.parametrize("size", range(GOOD.index(b"22\t") + 1, len(GOOD) - 1))
def test_a_file_cut_anywhere_in_its_last_row_is_refused(read, size):
    with pytest.raises(InputError, match=r"[Cc]ut short|Expected a"):
        read(GOOD[:size])


@pytest.mark.parametrize("content", [b"", b"\n\n", codecs.BOM_UTF8])
def test_an_empty_file_is_refused(read, content):
    with pytest.raises(InputError, match=r"Expected at least one rating in .* an empty file"):
        read(content)


def test_a_header_alone_is_refused(read):
    with pytest.raises(InputError, match="Expected at least one rating"):
        read(b"user,item,rating,timestamp\n", QUOTED)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"Expected a readable file at .*No such file"):
        read_log(tmp_path / "nowhere", TABLE)


def test_one_user_is_refused(read):
    with pytest.raises(InputError, match=r"Expected at least two users .* Received: one"):
        read(b"1\t2\t3\t4\n1\t3\t3\t5\n")


def test_repeated_rows_load_and_are_counted(read, caplog):
    log = read(GOOD + b"196\t242\t5\t881250950\n")
    assert log.rating.tolist() == [1, 3.5, 5]
    assert "1 repeated (user, item) rows" in caplog.text


def test_double_colons_are_one_separator(read):
    assert read(GOOD.replace(b"\t", b"::"), DOUBLE).fingerprint == read(GOOD).fingerprint


@pytest.mark.parametrize("bad", [b"1:x:2::3::4", b"1::2::3:4", b"1::2::3", b"1:2:3:4"])
def test_broken_double_colons_are_refused_by_line(read, bad):
    with pytest.raises(InputError, match="Expected 4 fields separated by '::' in line 2"):
        read(b"5::6::1::2\n" + bad + b"\n", DOUBLE)


def test_ids_are_text_whatever_they_look_like(read):
    log = read(b"NA\t007\t3\t4\nTrue\t7\t3\t5\n1e3\tinf\t3\t6\n")
    assert set(log.users.raw.tolist()) == {"NA", "True", "1e3"}
    assert set(log.items.raw.tolist()) == {"", "007", "7", "inf"}


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-8-sig"])
def test_ids_load_in_utf_8_and_in_latin_1(read, encoding):
    log = read("Zoë\tcafé\t3\t4\nb\tcafé\t5\t5\n".encode(encoding))
    assert "Zoë" in log.users
    assert "café" in log.items


def test_quoted_fields_may_hold_separators_and_line_ends(read):
    content = b'user,item,rating,time\n"a,b","x,y",4,1\nc,"say ""hi""",5,2\n'
    log = read(content, QUOTED)
    assert "a,b" in log.users
    assert 'say "hi"' in log.items
    with pytest.raises(InputError, match="in line 4 of"):
        read(content + b"d,e,bad,3\n", QUOTED)


def test_a_quote_that_never_ends_is_refused(read):
    with pytest.raises(InputError, match="Received"):
        read(b'user,item,rating,time\na,x,4,1\nb,"y,4,1\nc,z,4,1\n', QUOTED)


def test_without_ratings_and_timestamps_rows_are_likes_in_order(read, caplog):
    table = LogTable(separator="\t", num_fields=2, columns=Columns(user=0, item=1))
    with caplog.at_level(logging.WARNING):
        log = read(b"a\tz\na\ty\nb\tx\n", table)
    assert log.rating.tolist() == [TAKEN] * 3
    assert log.items.raw[log.item].tolist() == ["z", "y", "x"]
    assert log.timestamp.tolist() == [0, 1, 2]
    assert "no ratings" in caplog.text
    assert "no timestamps" in caplog.text


@FEW
@given(
    st.lists(
        st.tuples(
            st.integers(0, 9), st.integers(0, 9), st.integers(1, 10), st.integers(0, 4 * 10**9)
        ),
        min_size=2,
        unique_by=lambda row: row[3],  # in a file from the latest to the earliest ties turn round
    ).filter(lambda rows: len({row[0] for row in rows}) > 1 < len({row[2] for row in rows}))
)
def test_reading_what_was_written_is_from_raw(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "log"
    path.write_text("".join(f"{u}\t{i}\t{r / 2}\t{t}\n" for u, i, r, t in rows))
    user, item, rating, timestamp = map(np.array, zip(*rows, strict=True))
    expected = Interactions.from_raw(user, item, rating / 2, timestamp)
    assert (
        read_log(path, TABLE, rating_scale="0.5,5").interactions.fingerprint == expected.fingerprint
    )


def test_the_header_drops_bom_and_line_end(tmp_path):
    (tmp_path / "log").write_bytes(codecs.BOM_UTF8 + b"user,item\r\n1,2\r\n")
    assert header(tmp_path / "log") == ("user,item", 1, None)
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(InputError, match="an empty file"):
        header(tmp_path / "empty")


PARTED = LogTable(separator="\t", num_fields=5, columns=COLUMNS._replace(part=4))


def test_one_rating_for_all_rows_says_no_more_than_none(read):
    log = read(b"a\tx\t1\t10\nb\ty\t1.0\t20\n")
    assert log.rating.tolist() == [TAKEN] * 2
    assert log.liked.all()
    assert read(b"a\tx\t1\t10\nb\ty\t2\t20\n").rating.tolist() == [1, 5]


@FEW
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 9), st.integers(0, 2)),
        min_size=2,
    ).filter(lambda rows: len({row[0] for row in rows}) > 1 and rows[0][2] < rows[-1][2])
)
def test_parts_follow_their_rows_through_sorting_and_repeats(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "log"
    path.write_text(
        "".join(f"{u}\t{i}\t{n % 7}\t{t}\t{p}\n" for n, (u, i, t, p) in enumerate(rows))
    )
    dataset = read_log(path, PARTED)
    log, parts = dataset.interactions, dataset.parts
    last = {}  # in time, ties by row
    for user, item, _, part in sorted(rows, key=lambda row: row[2]):
        last[str(user), str(item)] = part
    raw = zip(log.users.raw[log.user].tolist(), log.items.raw[log.item].tolist(), strict=True)
    assert parts.dtype == np.int8
    assert parts.tolist() == [last[pair] for pair in raw]


@pytest.mark.parametrize("part", ["3", "-1", "0.5", "train", ""])
def test_a_part_that_is_none_is_refused_by_line(tmp_path, part):
    path = tmp_path / "log"
    path.write_text(f"a\tx\t1\t10\t0\nb\ty\t2\t20\t{part}\n")
    with pytest.raises(InputError, match=r"Expected 0 \(train\), 1 .*Received: .* line 2 of"):
        read_log(path, PARTED)


def test_without_a_column_for_them_there_are_no_parts(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(GOOD)
    assert read_log(path, TABLE).parts is None


@pytest.mark.parametrize("table", [TABLE, DOUBLE, QUOTED])
def test_the_exact_reader_makes_the_same_log(read, table):
    rows = GOOD * 2 + b"186\tNA\t5\t891717743\n"
    text = {TABLE: rows, DOUBLE: rows.replace(b"\t", b"::")}.get(
        table, b"a,b,c,d\n" + rows.replace(b"\t", b",")
    )
    whole = read(text, table)
    assert whole.items.raw.tolist() == ["", "242", "302", "377", "NA"]
    assert read(text.replace(b"186\tNA", b"\n186\tNA"), table).fingerprint == whole.fingerprint
    with pytest.raises(InputError, match=rf"in line {len(text.splitlines()) + 1} of"):
        read(text + b"186\n", table)


def test_a_short_row_among_ids_alone_is_refused(read):
    table = LogTable(separator="\t", num_fields=2, columns=Columns(user=0, item=1))
    with pytest.raises(InputError, match=r"Expected 2 fields .* in line 3 of .* Received: 1\."):
        read(b"a\tx\nb\ty\nc\n", table)


@pytest.mark.parametrize("ending", [b"", b"\n", b"\n\n"])
def test_a_header_alone_is_an_empty_file(read, ending):
    with pytest.raises(InputError, match="Expected at least one rating"):
        read(b"a,b,c,d" + ending, QUOTED)


PIECES = st.sampled_from([*'ab,"\t |#:\\\r\n', "é", "\0", '""', '"a,b"', '"a\nb"', "NULL", ""])
FIELD = st.lists(PIECES, max_size=3).map("".join)
ROW = st.one_of(
    st.lists(FIELD, min_size=3, max_size=3), st.lists(FIELD, max_size=4), st.just(["a", "b", "c"])
)
THREE = Columns(user=0, item=1, title=2)


@pytest.mark.parametrize("separator", [",", "\t", "::", "|"])
@given(rows=st.lists(ROW, min_size=1, max_size=5), ending=st.sampled_from(["\n", "\r\n"]))
@FEW
def test_what_is_read_fast_is_what_the_exact_reader_reads(
    tmp_path_factory, separator, rows, ending
):
    path = tmp_path_factory.mktemp("rows") / "log"
    path.write_text(
        "".join(separator.join(row) + ending for row in rows), encoding="utf-8", newline=""
    )
    table = LogTable(
        separator=separator, num_fields=3, columns=THREE, is_quoted=separator in (",", "|")
    )
    try:
        expected = [fields for _, fields in lines.numbered(path, table, "utf-8-sig")]
    except InputError:
        expected = []
    with staging(str(path), [path]) as log:
        if not expected:
            with pytest.raises(InputError):
                text.read(path, table, log)
            return
        text.read(path, table, log)
        query = "SELECT coalesce(COLUMNS(*), '') FROM raw ORDER BY rowid"
        assert log.connection.execute(query).fetchall() == [tuple(row) for row in expected]
