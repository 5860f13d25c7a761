"""The store: what is written once is there once, and what was forgotten is gone."""

import contextlib
import dataclasses
import pathlib
import sqlite3
import threading

import pytest
import sqlalchemy as sa

from drrec.errors import InputError
from drrec.serving import schema
from drrec.serving.faults import StoreBusy, StoreError, StoreFull
from drrec.serving.records import (
    Event,
    ForgetHistory,
    ForgetSession,
    ForgetUser,
    Outcome,
    Session,
    Shown,
)
from drrec.serving.store import Store

ANN = Session(id="a", user="ann", liked=("x/1", "🎬"), disliked=("y",), time=1.0)
NOBODY = Session(id="b", user=None, time=2.0)
LIKE = Event(session="a", event="1", item="i", kind="like", time=3.0, model="m@1")
RATING = Event(session="a", event="2", item="é/🎬", kind="rating", value=2.5, time=4.0, model="m@1")
LIST = Shown(
    session="a",
    turn=1,
    user=None,
    items=("i", "j"),
    propensities=(0.9, 0.05),
    policy="explore",
    model="m@1",
    time=5.0,
)


def of_ann(record):
    return dataclasses.replace(record, user="ann")


def test_what_was_written_is_read_back_in_order_by_another_opening(store, where):
    assert store.write([ANN, NOBODY, LIKE, LIST, RATING]) == [Outcome.STORED] * 5
    other = Store.open(where)
    found = other.history("a")
    assert found.session == ANN
    assert found.events == (of_ann(LIKE), of_ann(RATING))
    assert found.shown == (of_ann(LIST),)
    assert other.session("b") == NOBODY
    assert other.session("c") is None
    assert other.history("c") is None
    assert other.sessions_of("ann") == ["a"]
    assert list(other.events()) == [of_ann(LIKE), of_ann(RATING)]
    assert list(other.recommendations()) == [of_ann(LIST)]
    other.close()


def test_an_event_is_stored_once_by_its_id_in_its_session(store):
    store.write([ANN, NOBODY])
    elsewhere = dataclasses.replace(LIKE, session="b")
    later = dataclasses.replace(LIKE, time=9.0, model="m@2")
    otherwise = dataclasses.replace(LIKE, item="k")
    nowhere = dataclasses.replace(LIKE, session="c")
    written = store.write([LIKE, later, otherwise, elsewhere, nowhere])
    stored, repeated = Outcome.STORED, Outcome.REPEATED
    assert written == [stored, repeated, Outcome.CONFLICT, stored, Outcome.NO_SESSION]
    assert store.write([later, otherwise]) == [repeated, Outcome.CONFLICT]
    assert store.history("a").events == (of_ann(LIKE),)
    assert store.history("b").events == (elsewhere,)


def test_a_turn_of_a_session_is_given_once(store):
    other = dataclasses.replace(LIST, items=("k",), propensities=(1.0,))
    nowhere = dataclasses.replace(LIST, session="c")
    alone = dataclasses.replace(LIST, session=None, turn=None, user="bob")
    assert store.write([ANN, LIST, other, nowhere, alone, alone]) == [
        Outcome.STORED,
        Outcome.STORED,
        Outcome.CONFLICT,
        Outcome.NO_SESSION,
        Outcome.STORED,
        Outcome.STORED,
    ]
    assert store.write([other]) == [Outcome.CONFLICT]
    assert store.history("a").shown == (of_ann(LIST),)
    assert [each for each in store.recommendations() if each.user == "bob"] == [alone, alone]


def test_a_session_is_opened_once(store):
    twin = dataclasses.replace(ANN, user="bob")
    assert store.write([ANN]) == [Outcome.STORED]
    assert store.write([twin]) == [Outcome.CONFLICT]
    assert store.session("a") == ANN


def test_what_is_forgotten_is_gone_and_the_rest_stays(store):
    second = Session(id="a2", user="ann", time=6.0)
    alone = dataclasses.replace(LIST, session=None, turn=None, user="ann")
    kept = dataclasses.replace(LIKE, session="b")
    store.write([ANN, second, NOBODY, LIKE, LIST, kept, alone])
    assert store.write([ForgetHistory("a"), ForgetHistory("zz")]) == [
        Outcome.STORED,
        Outcome.NO_SESSION,
    ]
    assert store.history("a").events == store.history("a").shown == ()
    assert store.write([LIKE, LIST]) == [Outcome.STORED] * 2  # it begins anew
    assert store.write([ForgetSession("a"), ForgetSession("a3")]) == [
        Outcome.STORED,
        Outcome.NO_SESSION,
    ]
    assert store.session("a") is None
    assert list(store.events()) == [kept]
    assert store.write([ForgetUser("ann")]) == [Outcome.STORED]
    assert store.write([ForgetUser("ann")]) == [Outcome.NO_SESSION]
    assert store.sessions_of("ann") == list(store.recommendations()) == []
    assert list(store.events()) == [kept]


def test_a_transaction_is_written_whole_or_not_at_all(store):
    store.write([ANN])
    broken = dataclasses.replace(RATING, event="3", item=None)
    with pytest.raises(StoreError):
        store.write([LIKE, broken])
    assert store.history("a").events == ()


def test_forgotten_words_are_not_left_in_the_file(tmp_path):
    path = tmp_path / "store.db"
    store = Store.open(str(path))
    secret = "sesame-sesame-sesame"
    store.write([ANN, dataclasses.replace(LIKE, item=secret)])
    store.write([ForgetUser("ann")])
    store.close()  # the last connection folds the log into the file
    assert secret.encode() not in b"".join(each.read_bytes() for each in tmp_path.iterdir())


def test_several_threads_and_connections_write_at_once(where):
    stores = [Store.open(where) for _ in range(3)]
    stores[0].write([ANN])
    failures = []

    def write(store, name):
        try:
            for number in range(20):
                store.write([dataclasses.replace(LIKE, event=f"{name}-{number}"), LIKE])
        except Exception as error:
            failures.append(error)

    threads = [
        threading.Thread(target=write, args=(store, name)) for name, store in enumerate(stores)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []
    assert len({each.event for each in stores[1].events()}) == len(list(stores[1].events())) == 61
    for each in stores:
        each.close()


def test_a_full_disk_is_said_and_reading_goes_on(tmp_path):
    store = Store.open(str(tmp_path / "store.db"))
    store.write([ANN, LIKE])

    def fill(connection, _):
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 4}")

    store._write.dispose()
    sa.event.listen(store._write, "connect", fill)
    big = dataclasses.replace(RATING, item="x" * 100_000)
    with pytest.raises(StoreFull):
        store.write([big])
    assert store.history("a").events == (of_ann(LIKE),)
    assert store.write([RATING]) == [Outcome.STORED]  # what has room is still written


def test_a_store_that_another_process_keeps_is_busy(tmp_path, monkeypatch):
    monkeypatch.setattr("drrec.serving.store.BUSY_SECONDS", 0.05)
    path = tmp_path / "store.db"
    store = Store.open(str(path))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy):
            store.write([ANN])
        assert store.session("a") is None
    store.close()


def damaged(path: pathlib.Path):
    Store.open(str(path)).close()
    content = bytearray(path.read_bytes())
    content[4096 + 8 : 4096 + 200] = b"\xff" * 192
    path.write_bytes(content)


def of_another_version(path: pathlib.Path):
    store = Store.open(str(path))
    with store._write.begin() as connection:
        connection.execute(sa.update(schema.meta).values(value="99"))
    store.close()


def half(path: pathlib.Path):
    store = Store.open(str(path))
    with store._write.begin() as connection:
        connection.execute(sa.text("DROP TABLE events"))
    store.close()


def of_something_else(path: pathlib.Path):
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"no database, but text " * 100), "not a database"),
        (lambda path: path.mkdir(), "unable to open"),
        (damaged, "malformed|damaged"),
        (of_another_version, "version '99'"),
        (half, "without the tables"),
        (of_something_else, "recipes"),
    ],
)
def test_what_is_no_store_is_refused_in_one_line(tmp_path, make, words):
    path = tmp_path / "store.db"
    make(path)
    with pytest.raises(InputError, match=words) as refused:
        Store.open(str(path))
    assert "\n" not in str(refused.value)
    assert "--store" in str(refused.value)


@pytest.mark.parametrize(
    "where",
    ["mysql://host/name", "postgresql://u:secret@127.0.0.1:1/none", "sqlite://", "a://b://c"],
)
def test_an_address_that_leads_nowhere_is_refused_without_its_password(where):
    with pytest.raises(InputError, match="Expected a") as refused:
        Store.open(where)
    assert "secret" not in str(refused.value)
