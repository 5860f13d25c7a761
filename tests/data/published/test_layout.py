import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drrec.data.published import layout as published
from drrec.data.published.layout import RawLog, Row
from drrec.data.readers.checks import LATEST
from drrec.data.readers.streams import Fault


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("", "x", "3", 0), "Expected a user id. Received: an empty field"),
        (("u", "  ", "3", 0), "Expected a item id. Received: an empty field"),
        (("u\tv", "x", "3", 0), "Expected a user id without control characters"),
        (("u", "x\ud83d", "3", 0), "Expected a item id without control characters"),
        (("u", "x", "five", 0), "Expected a rating that is a finite number. Received: 'five'"),
        (("u", "x", None, 0), "Expected a rating"),
        (("u", "x", True, 0), "Expected a rating"),
        (("u", "x", "1_0", 0), "Expected a rating"),
        (("u", "x", float("nan"), 0), "Expected a rating"),
        (("u", "x", "1e39", 0), "Expected a rating"),
        (("u", "x", "3", -1), "Expected a time from 1970"),
        (("u", "x", "3", LATEST * 1000), "Expected a time from 1970 to the year 2200"),
    ],
)
def test_what_is_no_rating_is_a_fault(row, message):
    with pytest.raises(Fault, match=message):
        published.rated(*row)


def test_ids_lose_the_blanks_around_them():
    assert published.rated(" u", "x y ", 4, 7) == Row("u", "x y", 4.0, 7)


@pytest.mark.parametrize(
    ("stamp", "milliseconds"),
    [
        ("1588615855", 1588615855000),
        (1588615855, 1588615855000),
        ("1588615855070", 1588615855070),
        (1588615855070.0, 1588615855070),
        ("0", 0),
        ("-1", -1000),
    ],
)
def test_seconds_and_milliseconds_are_told_apart(stamp, milliseconds):
    assert published.since_1970(stamp) == milliseconds


@pytest.mark.parametrize("stamp", ["", "1.5", 1.5, "1_0", None, "noon", float("inf"), []])
def test_what_is_no_whole_number_is_no_time(stamp):
    with pytest.raises(Fault, match="Expected seconds or milliseconds"):
        published.since_1970(stamp)


@given(fields=st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C"])), min_size=2))
def test_what_csv_writes_is_read_back(fields):
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    assert published.csv_fields(line.getvalue(), len(fields)) == fields


@pytest.mark.parametrize("line", ["a,b", "a,b,c,d", "", '"a,b,c', '"a"b,c,d'])
def test_another_number_of_fields_is_a_fault(line):
    with pytest.raises(Fault, match=r"Expected 3 fields\. Received: "):
        published.csv_fields(line, 3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "Expected JSON. Received: "),
        ("[" * 100_000, "Expected JSON"),
        ("[1]", r"Expected a JSON object. Received: '\[1\]'"),
        ('{"user": "u"}', "Expected the field item"),
        ('{"user": "u", "item": null}', "Expected the field item"),
    ],
)
def test_json_that_says_too_little_is_a_fault(line, message):
    with pytest.raises(Fault, match=message):
        published.json_fields(line, "user", "item")


def test_json_fields_come_in_the_order_asked_for():
    line = json.dumps({"item": 3, "other": 1, "user": "é"})
    assert published.json_fields(line, "user", "item") == ["é", 3]


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from("uvw"),
            st.sampled_from("xyz"),
            st.floats(width=32, allow_nan=False, allow_infinity=False),
            st.integers(0, LATEST * 1000 - 1),
        )
    )
)
def test_a_raw_log_holds_what_came_in(rows):
    raw = RawLog(Row(*row, title=row[1] * 2) for row in rows)
    users, items = (np.array([*ids, None], object) for ids in (raw.users, raw.items))
    columns = (users[raw.user], items[raw.item], raw.rating, raw.milliseconds)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == rows
    assert {users: raw.titles[number] for users, number in raw.items.items()} == {
        item: item * 2 for _, item, _, _ in rows
    }
