"""The writer: many calls, few transactions; each call is told what became of it alone."""

import dataclasses
import threading

import pytest
from tests.serving.test_store import ANN, LIKE

from drrec.serving.faults import StoreError, StoreFull
from drrec.serving.records import Outcome
from drrec.serving.store import Store
from drrec.serving.writer import MOST_RECORDS, Writer


class Slow:
    """A store whose first transaction waits to be let go."""

    def __init__(self, faults=()):
        self.transactions = []
        self.go = threading.Event()
        self.began = threading.Event()
        self.faults = list(faults)

    def write(self, records):
        self.began.set()
        assert self.go.wait(10)
        self.transactions.append(list(records))
        fault = self.faults.pop(0) if self.faults else None
        if fault:
            raise fault
        if "bad" in records:
            raise StoreError("bad")
        return [Outcome.STORED] * len(records)


def test_what_comes_in_during_a_transaction_goes_together_into_the_next():
    store = Slow()
    writer = Writer(store)
    first = writer.submit(["1"])
    assert store.began.wait(10)
    others = [writer.submit([str(number), "x"]) for number in range(5)]
    assert writer.num_waiting == 11
    store.go.set()
    assert first.result(10) == [Outcome.STORED]
    assert [each.result(10) for each in others] == [[Outcome.STORED] * 2] * 5
    assert [len(each) for each in store.transactions] == [1, 10]
    assert writer.num_waiting == 0
    writer.close()


def test_a_transaction_has_an_end():
    store = Slow()
    writer = Writer(store)
    writer.submit(["1"])
    assert store.began.wait(10)
    calls = [writer.submit(["x"] * (MOST_RECORDS // 2)) for _ in range(4)]
    store.go.set()
    for each in calls:
        each.result(10)
    assert [len(each) for each in store.transactions] == [1, MOST_RECORDS, MOST_RECORDS]
    writer.close()


def test_one_call_that_cannot_be_written_does_not_stop_its_neighbours():
    store = Slow()
    writer = Writer(store)
    writer.submit(["1"])
    assert store.began.wait(10)
    good, bad, other = (writer.submit([each]) for each in ("good", "bad", "other"))
    store.go.set()
    assert good.result(10) == other.result(10) == [Outcome.STORED]
    with pytest.raises(StoreError, match="bad"):
        bad.result(10)
    writer.close()


def test_a_full_disk_is_told_to_each_call_once_and_is_not_for_ever():
    store = Slow([None, StoreFull("full")])
    writer = Writer(store)
    writer.submit(["1"])
    assert store.began.wait(10)
    calls = [writer.submit(["2"]), writer.submit(["3"])]
    store.go.set()
    for each in calls:
        with pytest.raises(StoreFull):
            each.result(10)
    assert len(store.transactions) == 2
    assert writer.submit(["4"]).result(10) == [Outcome.STORED]
    writer.close()


def test_closing_writes_what_waits_and_takes_no_more(tmp_path):
    store = Store.open(str(tmp_path / "store.db"))
    writer = Writer(store)
    calls = [writer.submit([ANN])]
    calls += [writer.submit([dataclasses.replace(LIKE, event=str(n))]) for n in range(500)]
    writer.close()
    assert all(each.done() for each in calls)
    assert len(store.history("a").events) == 500
    with pytest.raises(StoreError, match="closed"):
        writer.submit([LIKE])
