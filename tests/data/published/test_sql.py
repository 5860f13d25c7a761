"""What the expressions make of a line, and what is said of a line that is no row."""

import csv
import io
import json
import math

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drrec.data.engine import engine
from drrec.data.published import sql
from drrec.data.published.reading import read_lines
from drrec.data.readers.checks import LATEST
from drrec.errors import InputError

CONNECTION = duckdb.connect()
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"]))


def told(expression, line):
    """An expression of a line."""
    query = f"SELECT {expression} FROM (SELECT ?::VARCHAR AS line)"
    return CONNECTION.execute(query, [line]).fetchone()[0]


def rows(tmp_path, form, *lines):
    """What a form makes of a file of these lines."""
    path = tmp_path / "log"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    with engine(tmp_path, [path]) as connection:
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        found = read_lines(connection, path, form, scratch, "stop").rows
        return connection.execute(f"SELECT * EXCLUDE line FROM ({found})").fetchall()


PLAIN = sql.log_form(sql.TABS, "f[1]", "f[2]", "TRY_CAST(f[4] AS BIGINT)", rating="f[3]")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("", "x", "3", 0), "Expected a user id. Received: an empty field"),
        (("u", "  ", "3", 0), "Expected a item id. Received: an empty field"),
        (("u\x7f", "x", "3", 0), "Expected a user id without control characters"),
        (("u", "x\0y", "3", 0), "Expected a item id without control characters"),
        (("u", "x", "five", 0), "Expected a rating that is a finite number. Received: 'five'"),
        (("u", "x", "", 0), "Expected a rating that is a finite number. Received: ''"),
        (("u", "x", "true", 0), "Expected a rating"),
        (("u", "x", "1_0", 0), "Expected a rating"),
        (("u", "x", "nan", 0), "Expected a rating"),
        (("u", "x", "-inf", 0), "Expected a rating"),
        (("u", "x", "1e39", 0), "Expected a rating"),
        (("u", "x", "3", -1), "Expected a time from 1970"),
        (("u", "x", "3", LATEST * 1000), f"a time from 1970 to the year 2200.*: {LATEST}"),
    ],
)
def test_what_is_no_rating_is_named(tmp_path, row, message):
    with pytest.raises(InputError, match=f"{message}.* in line 2 of .*--bad-rows skip"):
        rows(tmp_path, PLAIN, "u\tx\t3\t0", "\t".join(map(str, row)))


def test_ids_lose_the_blanks_around_them(tmp_path):
    found = rows(tmp_path, PLAIN, " u\tx y \t4\t7", "\u2028\u3000u\xa0\tz\t5\t8")
    assert found == [("u", "x y", 4.0, 7, ""), ("u", "z", 5.0, 8, "")]


@pytest.mark.parametrize(
    ("stamp", "milliseconds"),
    [
        ("1588615855", 1588615855000),
        ("1588615855070", 1588615855070),
        ("1588615855070.0", 1588615855070),
        ("100000000000", 100000000000),
        ("99999999999", 99999999999000),
        ("0", 0),
        ("-1", -1000),
    ],
)
def test_seconds_and_milliseconds_are_told_apart(stamp, milliseconds):
    assert told(sql.since_1970("line"), stamp) == milliseconds
    assert not told(sql.whole("line").is_bad, stamp)


@pytest.mark.parametrize("stamp", ["", "1.5", "1_0", None, "noon", "inf", "nan", "[]", "1e99"])
def test_what_is_no_whole_number_is_no_time(stamp):
    assert told(sql.whole("line").is_bad, stamp)


@given(fields=st.lists(TEXT, min_size=2))
def test_what_csv_writes_is_read_back(fields):
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    assert told(sql.CSV, line.getvalue()) == fields


@given(line=st.text('a",', max_size=12))
def test_quotes_mean_what_python_takes_them_for(line):
    try:
        expected = next(csv.reader([line], strict=True)) if line else [""]
    except csv.Error:
        expected = None
    assert told(sql.CSV, line) == expected


@pytest.mark.parametrize(
    ("line", "received"),
    [("a,b", 2), ("a,b,c,d", 4), ('"a,b,c', "'\"a,b,c'"), ('"a"b,c,d', "'\"a\"b,c,d'")],
)
def test_another_number_of_fields_is_named(tmp_path, line, received):
    form = sql.Form(fields=sql.CSV, columns={"f": "f"}, checks=sql.num_fields(3))
    with pytest.raises(InputError, match=rf"Expected 3 fields\. Received: {received} in line 2"):
        rows(tmp_path, form, "a,b,c", line)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "Expected JSON. Received: '{' in line 1"),
        ("[" * 100_000, "Expected JSON"),
        ("[1]", r"Expected a JSON object. Received: '\[1\]'"),
        ('{"user": "u"}', "Expected the field item"),
        ('{"user": "u", "item": null}', "Expected the field item"),
    ],
)
def test_json_that_says_too_little_is_named(tmp_path, line, message):
    names = "user", "item"
    fields, checks = sql.json_fields(*names), sql.has_fields(*names)
    with pytest.raises(InputError, match=message):
        rows(tmp_path, sql.Form(fields=fields, columns={"f": "f"}, checks=checks), line)


@given(user=TEXT, item=st.integers(), other=TEXT)
def test_json_fields_come_in_the_order_asked_for(user, item, other):
    for is_ascii in (True, False):
        values = {"item": item, "other": other, "user": user}
        line = json.dumps(values, ensure_ascii=is_ascii)
        assert told(sql.json_fields("user", "item"), line) == [user, str(item)]


@given(text=st.text(st.sampled_from("a\\u😀\ud83d\ude00")))
def test_half_a_character_is_a_control_character(text):
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    expected = "".join("\x7f" if "\ud800" <= each <= "\udfff" else each for each in whole)
    assert told(sql.json_fields("text"), json.dumps({"text": text})) == [expected]


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_pythons(value):
    assert told(PLAIN.columns["rating"].replace("f[3]", "line"), repr(value)) == value
    assert math.isnan(told(PLAIN.columns["rating"].replace("f[3]", "line"), "nan"))
