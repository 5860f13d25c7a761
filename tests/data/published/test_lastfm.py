import datetime

import pytest
from tests.data import raw

from drrec.data.datasets import load_dataset
from drrec.data.published.config import PrepareConfig
from drrec.data.published.prepare import prepare
from drrec.errors import InputError
from drrec.reading import read_json

MBID = "a3cb23fc-acd3-4ce0-8f36-1e5aa6a18432"


def line(user, seconds, item, name=None, track=""):
    when = datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)
    stamp = when.strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{user}\t{stamp}\t{item}\t{name or f'Artist {item}'}\t{track}\tSong of {item}\n"


def plays(frame):
    rows = zip(frame["user"], frame["seconds"], frame["item"], strict=True)
    return "".join(line(*row) for row in rows)


def made(tmp_path, text, **flags):
    raw.write(tmp_path / "got" / raw.LASTFM, text)
    settings = {"min_user": 0, "min_item": 0} | flags
    prepare("lastfm-1k", PrepareConfig(source=tmp_path / "got", **settings), tmp_path)
    return load_dataset("lastfm-1k", tmp_path)


@pytest.mark.parametrize("repeats", ["drop", "keep"])
def test_pandas_keeps_the_same_plays(tmp_path, repeats):
    frame = raw.events(400, num_items=50).assign(rating=5.0)
    dataset = made(tmp_path, plays(frame), repeats=repeats, min_user=4, min_item=3)
    expected = raw.thinned(frame, repeats, 4, 3)
    assert 20 < len(expected) < 400
    raw.same(dataset, expected)
    assert dataset.interactions.liked.all()
    titles = dict(zip(dataset.interactions.items.raw, dataset.titles, strict=True))
    assert all(titles[item] == f"Artist {item}" for item in expected["item"])


def test_sessions_are_of_all_plays_whatever_is_kept_of_them(tmp_path):
    minutes = [0, 10, 40, 71, 72]
    text = "".join(
        line("u", 60 * minute, item) for minute, item in zip(minutes, "abaca", strict=True)
    )
    text += line("v", 0, "a")
    kept = made(tmp_path / "kept", text, repeats="keep").interactions
    assert kept.session.tolist() == [0, 0, 0, 1, 1, 2]
    dropped = made(tmp_path / "dropped", text).interactions
    assert dropped.items.raw[dropped.item].tolist() == ["b", "c", "a", "a"]
    assert dropped.session.tolist() == [0, 1, 1, 2]
    wide = made(tmp_path / "wide", text, repeats="keep", session_gap=31).interactions
    assert wide.session.tolist() == [0, 0, 0, 0, 0, 1]


def test_an_artist_without_an_id_goes_by_name(tmp_path):
    text = (
        line("u", 0, "", "Nobody's") + line("u", 1, MBID, "The Dogs") + line("v", 2, MBID, "Dogs")
    )
    dataset = made(tmp_path, text)
    assert dataset.interactions.items.raw.tolist() == ["", "Nobody's", MBID]
    assert dataset.titles.tolist() == ["", "Nobody's", "The Dogs"]


def test_tracks_are_items_where_asked(tmp_path):
    text = (
        line("u", 0, "a", "Ann", "t1") + line("u", 1, "a", "Ann") + line("v", 2, "a", "Ann", "t1")
    )
    dataset = made(tmp_path, text, item="track")
    assert dataset.interactions.items.raw.tolist() == ["", "Ann – Song of a", "t1"]
    assert dataset.titles.tolist() == ["", "Ann – Song of a", "Ann – Song of a"]


BROKEN = [
    b"u\t1970-01-01T00:00:01Z\ta\tA tab\tin a name\t\tSong",
    b"u\t1970-01-01T00:00:01Z\ta",
    b"u\tyesterday\ta\tA\t\tSong",
    b"u\t1970-01-01T00:00:01\ta\tA\t\tSong",
    b"u\t2970-01-01T00:00:01Z\ta\tA\t\tSong",
    b"u\t1970-01-01T00:00:01Z\t\t \t\tSong",
    b"\t1970-01-01T00:00:01Z\ta\tA\t\tSong",
    b"u\t1970-01-01T00:00:01Z\t\tCaf\xe9\t\tSong",
    b"u\t1970-01-01T00:00:01Z\t\tA\rB\t\tSong",
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_malformed_play_is_skipped_and_counted_or_named(tmp_path, broken):
    good = [line("u", 0, "a").encode(), line("v", 1, "a").encode()]
    text = good[0] + broken + b"\n" + good[1]
    dataset = made(tmp_path, text)
    assert dataset.interactions.timestamp.tolist() == [0, 1]
    record = read_json(tmp_path / "lastfm-1k" / "prepared.json")
    assert (record["rows_read"], record["rows_skipped"]) == (2, 1)
    assert f"in line 2 of {tmp_path}" in record["first_skipped"]
    with pytest.raises(InputError, match=rf"in line 2 of .*{raw.LASTFM}\. Mend or remove"):
        made(tmp_path, text, bad_rows="stop", to="other")
    assert not (tmp_path / "other").exists()


def test_quotes_are_plain_text(tmp_path):
    text = line("u", 0, "", '"Weird Al') + line("v", 1, "", 'B"')
    assert made(tmp_path, text).interactions.items.raw.tolist() == ["", '"Weird Al', 'B"']
