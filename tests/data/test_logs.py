"""Logs as people have them: each kind that was once read wrong, on an input made here."""

import gzip
import io
import json
import re
import zipfile

import numpy as np
import pandas as pd
import pytest

from drrec.data.config import LogConfig
from drrec.data.dataset import Dataset
from drrec.data.datasets import load_dataset
from drrec.errors import InputError

ROWS = [(user, item, 1 + (3 * user + item) % 5, 1_500_000_000 + 60 * (40 * user + item))
        for user in range(6) for item in range(12)]  # fmt: skip
TEXT = "user_id,item_id,rating,timestamp\n" + "".join(f"u{u},{i},{r},{t}\n" for u, i, r, t in ROWS)


@pytest.fixture
def read(tmp_path):
    def _read(content, name="log.csv", **settings):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_dataset(path, config=LogConfig(**settings))

    return _read


@pytest.fixture
def expected(read):
    return read(TEXT, "expected.csv").interactions.fingerprint


def zipped(**files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def rows_as_json():
    names = ("user_id", "item_id", "rating", "timestamp")
    return "\n".join(
        json.dumps(dict(zip(names, (f"u{u}", *rest), strict=True))) for u, *rest in ROWS
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.csv.gz", gzip.compress(TEXT.encode())),
        ("log.gz", gzip.compress(TEXT.encode())),
        ("log.zip", zipped(log=TEXT)),
        ("log.txt", TEXT),
        ("log.dat", TEXT.replace(",", "\t")),
        ("log.csv", TEXT.encode("utf-16")),
        ("log.csv", "sep=;\n" + TEXT.replace(",", ";")),
        ("log.csv", f"# exported\n# by us\n\n{TEXT}# the end\n"),
        ("log.jsonl", rows_as_json()),
        ("log.json.gz", gzip.compress(rows_as_json().encode())),
        ("log.csv", TEXT.replace("\n", "\r\n")),
        ("log.csv", TEXT.replace("u1,", " u1 ,").replace(",7,", ", 7 ,")),
    ],
)
def test_every_form_of_a_file_gives_the_same_log(read, expected, name, content):
    dataset = read(content, name)
    assert dataset.interactions.fingerprint == expected
    assert dataset.name == "log"


def test_parquet_gives_the_same_log(tmp_path, expected):
    pytest.importorskip("pyarrow")
    frame = pd.read_csv(io.StringIO(TEXT))
    frame.to_parquet(tmp_path / "log.parquet")
    assert load_dataset(tmp_path / "log.parquet").interactions.fingerprint == expected
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match="Expected a Parquet file"):
        load_dataset(tmp_path / "bad.parquet")


def test_a_frame_gives_the_same_log(expected):
    frame = pd.read_csv(io.StringIO(TEXT))
    named = {"user": "user_id", "item": "item_id"}
    assert Dataset.from_pandas(frame, **named).interactions.fingerprint == expected


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("log.zip", zipped(a=TEXT, b=TEXT), "Expected one file in"),
        ("log.csv.gz", gzip.compress(TEXT.encode())[:-20], "Expected a whole file"),
        ("log.xlsx", b"x", "Export it as CSV"),
        ("log.jsonl", rows_as_json() + "\n[1]\n", "Expected a JSON object in line 73"),
        ("log.jsonl", "", "an empty file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_for_what_it_is(read, name, content, words):
    with pytest.raises(InputError, match=words):
        read(content, name)


@pytest.mark.parametrize("quote", ['"Heroes', 'The "Heroes', '"', '""', '"Heroes"'])
def test_a_quote_in_tabbed_text_is_a_letter(read, quote):
    text = TEXT.replace(",7,", f",{quote},").replace(",", "\t")
    log = read(text, "log.tsv").interactions
    assert (len(log), log.num_users, log.num_items - 1) == (72, 6, 12)
    assert quote in log.items


@pytest.mark.parametrize("column", ["user", "note"])
def test_a_quote_that_swallows_rows_is_refused_by_its_line(read, column):
    rows = [f"{{}}u{n % 3},i{n},{n % 5 + 1},plain{{}}" for n in range(9)]
    lines = [row.format("", "") for row in rows]
    if column == "user":
        lines[2], lines[5] = '"' + lines[2], lines[5].replace("u2", 'u2"')
    else:
        lines[2], lines[5] = lines[2].replace("plain", '"pl'), lines[5].replace("plain", 'n"')
    with pytest.raises(
        InputError, match=r"Expected a (closing quote|user id on one line) .* line 4"
    ):
        read("\n".join(["user,item,rating,note", *lines]))


def test_a_note_of_several_lines_is_no_row(read):
    text = 'user,item,rating,note\na,x,4,"one\ntwo"\nb,y,2,\nb,x,5,"three\n\nfour"\n'
    assert len(read(text).interactions) == 3


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (
            "reviewerID,asin,overall,unixReviewTime",
            "rating from overall, timestamp from unixReviewTime",
        ),
        (
            "user,sku,review_rating,created_at",
            "rating from review_rating, timestamp from created_at",
        ),
        ("user,song_id,label,date", "rating from label, timestamp from date"),
    ],
)
def test_common_names_are_known_and_what_was_read_is_said(read, caplog, header, said):
    caplog.set_level("INFO")
    log = read(TEXT.replace("user_id,item_id,rating,timestamp", header)).interactions
    assert set(log.rating.tolist()) == {1, 2, 3, 4, 5}
    assert log.timestamp.min() == 1_500_000_000
    assert said in caplog.text


def test_what_is_left_is_said(read, caplog):
    caplog.set_level("INFO")
    read("user,item,mood\na,x,1\nb,y,2\n")
    assert "left: mood" in caplog.text


def test_columns_are_what_flags_say(read):
    text = "who,user,what,item,stars,rating,when\na,1,x,2,5,1,30\nb,1,y,2,2,1,20\nb,1,x,2,4,1,10\n"
    chosen = {"user_column": "who", "item_column": "what", "rating_column": "stars"}
    log = read(text, time_column="when", **chosen).interactions
    assert log.users.raw.tolist() == ["a", "b"]
    assert log.rating.tolist() == [5, 4, 2]
    assert log.timestamp.tolist() == [30, 10, 20]
    none = read(text, rating_column="", time_column="", user_column="who", item_column="what")
    assert set(none.interactions.rating.tolist()) == {5}
    with pytest.raises(InputError, match="Expected one column 'mood' in line 1"):
        read(text, rating_column="mood")


def test_a_separator_may_be_given(read, expected):
    text = TEXT.replace(",", "^")
    assert read(text, separator="^").interactions.fingerprint == expected
    assert read(TEXT.replace(",", "\t"), separator="tab").interactions.fingerprint == expected


def test_whole_numbers_with_a_point_are_the_numbers(read, caplog, expected):
    rows = TEXT.splitlines(keepends=True)
    text = "".join(
        re.sub(r"^(\w+),(\d+),", r"\1,\2.0,", row) if number % 2 else row
        for number, row in enumerate(rows)
    )
    assert read(text).interactions.fingerprint == expected
    assert "item ids are whole numbers" in caplog.text
    mixed = read("user,item\na,007\nb,7\nb,7.0x\n").interactions
    assert set(mixed.items.raw.tolist()) == {"", "007", "7", "7.0x"}


@pytest.mark.parametrize("null", ["", " ", "nan", "NULL", "None", "<NA>"])
def test_rows_without_an_id_are_left_out_and_counted(read, caplog, null):
    text = TEXT + f"{null},3,5,1500000000\nu1,{null},5,1500000000\n"
    log = read(text).interactions
    assert (len(log), log.num_users) == (72, 6)
    assert "left out 1 rows without user id" in caplog.text
    assert "left out 1 rows without item id" in caplog.text
    with pytest.raises(InputError, match=r"none in .*Name it by --item-column"):
        read(f"user,item\na,{null}\nb,{null}\nb,x\n")


def test_ratings_of_any_scale_become_stars(read):
    ten = read(TEXT.replace(",", ",").replace("rating", "score")).interactions
    doubled = "user,item,rating\n" + "".join(f"u{u},{i},{2 * r}\n" for u, i, r, _ in ROWS)
    found = read(doubled)
    assert found.scale.high == 10
    assert ((found.interactions.rating >= 4) == (ten.rating >= 4)).all()
    yes = "user,item,clicked\n" + "".join(f"u{u},{i},{r > 3}\n" for u, i, r, _ in ROWS)
    assert ((read(yes).interactions.rating == 5) == (ten.rating >= 4)).all()


def test_the_value_of_no_rating_is_left_out(read, caplog):
    text = "user,item,rating\na,x,8\na,y,-1\nb,x,10\nb,y,3\n"
    with pytest.raises(InputError, match="--unrated -1"):
        read(text)
    assert len(read(text, unrated=-1).interactions) == 3
    assert "1 rows are not rated" in caplog.text


@pytest.mark.parametrize(
    ("column", "kind"), [("play_count", "count"), ("plays", "count"), ("watch_time", "duration")]
)
def test_counts_and_durations_are_weights_of_likes(read, column, kind):
    text = f"user,item,{column}\na,x,1\na,y,3\nb,x,0\n"
    log = read(text).interactions
    assert log.rating.tolist() == [5, 5, 5]
    np.testing.assert_allclose(log.weight, [1, 2, 0])
    again = read(text.replace(column, "amount"), rating_column="amount", rating_kind=kind)
    assert again.interactions.fingerprint == log.fingerprint
    assert log.where(np.array([True, False, True])).weight.tolist() == [1, 0]


def test_of_one_time_the_later_row_is_the_later_unless_the_latest_comes_first(read):
    rows = [("a", "x", 5, 10), ("a", "y", 4, 20), ("a", "z", 3, 20), ("b", "x", 2, 30)]

    def log(rows):
        return read("user,item,rating,time\n" + "".join(",".join(map(str, r)) + "\n" for r in rows))

    assert log(rows).interactions.fingerprint == log(rows[::-1]).interactions.fingerprint


def test_milliseconds_keep_the_order_within_a_second(read):
    rows = [
        ("a", "x", 1_500_000_000_900),
        ("a", "y", 1_500_000_000_100),
        ("b", "x", 1_600_000_000_000),
    ]
    text = "user,item,timestamp\n" + "".join(f"{u},{i},{t}\n" for u, i, t in rows)
    log = read(text).interactions
    assert log.items.raw[log.item[:2]].tolist() == ["y", "x"]
    assert log.timestamp[0] == 1_500_000_000


def test_titles_in_the_log_are_the_items(read, caplog):
    text = "user,item,title\na,1,Alien\nb,1,Alien\nb,2, Brazil \nc,3,\n"
    assert read(text).titles.tolist() == ["", "Alien", "Brazil", ""]
    other = read("user,item,title\na,1,good\nb,1,bad\nb,2,so so\nc,2,fine\n")
    assert not any(other.titles.tolist())
    assert "not of items" in caplog.text


def test_windows_text_is_read_as_it_is(read):
    dataset = read("user,item,title\na,1,It’s “€”\nb,2,x\n".encode("cp1252"))
    assert dataset.titles[1] == "It’s “€”"


@pytest.mark.parametrize("whole", [True, False])
def test_recboles_benchmark_files_are_the_given_split(tmp_path, whole):
    folder = tmp_path / "shop"
    folder.mkdir()
    header = "user_id:token\titem_id:token\trating:float\n"
    parts = {"train": ROWS[:50], "valid": ROWS[50:60], "test": ROWS[60:]}
    for part, rows in parts.items():
        lines = "".join(f"u{u}\t{i}\t{r}\n" for u, i, r, _ in rows)
        (folder / f"shop.{part}.inter").write_text(header + lines)
    dataset = load_dataset(folder if whole else folder / "shop.test.inter")
    assert dataset.name == "shop"
    assert np.bincount(dataset.parts).tolist() == [50, 10, 12]
    (folder / "shop.test.inter").write_text(header + "u1\t3\tbad\n")
    with pytest.raises(InputError, match=r"'bad' in line 2 of .*shop\.test\.inter"):
        load_dataset(folder)


def test_movielens_pairs_are_the_given_split(tmp_path):
    for name, rows in (("u1.base", ROWS[:60]), ("u1.test", ROWS[60:])):
        (tmp_path / name).write_text("".join(f"{u}\t{i}\t{r}\t{t}\n" for u, i, r, t in rows))
    for path in (tmp_path, tmp_path / "u1.base", tmp_path / "u1.test"):
        assert np.bincount(load_dataset(path).parts).tolist() == [60, 0, 12]


def test_dates_that_cannot_be_told_are_said_or_refused_where_they_are_named(read, caplog):
    text = "user,item,date\na,x,31/01/2024\nb,y,01/02/2024\n"
    assert read(text).interactions.timestamp.tolist() == [0, 1]
    assert "has times that cannot be read" in caplog.text
    with pytest.raises(InputError, match=r"such as 2024-01-31\. Received: '31/01/2024' in line 2"):
        read(text, time_column="date")


def test_a_packed_file_is_whole_whatever_its_last_byte_is(read):
    text = TEXT + "u1,99,5,100000001\n"
    assert len(read(gzip.compress(text.encode()), "log.csv.gz").interactions) == 73
    with pytest.raises(InputError, match="the file is cut short"):
        read(text.rstrip("\n"))


@pytest.mark.parametrize("column", ["rating", "timestamp"])
@pytest.mark.parametrize("form", ["csv", "inter", "jsonl"])
def test_digits_without_end_are_no_number(tmp_path, column, form):
    rows = [{"user_id": u, "item_id": i, "rating": 1 + (u + i) % 5, "timestamp": 10**9 + u + i}
            for u in range(4) for i in range(6)]  # fmt: skip
    rows[5][column] = int("9" * 400)
    path = tmp_path / f"log.{form}"
    if form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        mark, kind = (",", "") if form == "csv" else ("\t", ":token")
        lines = [mark.join(name + kind for name in rows[0])]
        lines += [mark.join(map(str, row.values())) for row in rows]
        path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=r"Expected a (rating|timestamp) .*in line [67]"):
        load_dataset(path)
