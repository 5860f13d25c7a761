"""Micro-batches: requests that come while the engine is at work share its next call."""

import asyncio
import threading
import time

import pytest
from tests.serving.tiny import ITEMS, TinyEngine

from drrec.errors import InputError
from drrec.serving.batching import MOST_QUERIES, MOST_SECONDS, Batcher
from drrec.serving.queries import Query


class Slow(TinyEngine):
    def __init__(self):
        super().__init__()
        self.go, self.began = threading.Event(), threading.Event()

    def recommend(self, queries, k):
        self.began.set()
        assert self.go.wait(10)
        if any("bad" in query.block for query in queries):
            self.calls.append(len(queries))
            raise InputError("bad")
        return super().recommend(queries, k)


def test_what_waits_goes_into_one_call_and_each_gets_its_own():
    async def run():
        engine, sizes = Slow(), []
        batcher = Batcher(engine, sizes.append)
        first = asyncio.create_task(batcher.recommend(Query(), 1))
        await asyncio.to_thread(engine.began.wait, 10)
        others = [
            asyncio.create_task(batcher.recommend(Query(block=ITEMS[:n]), 1 + n)) for n in range(5)
        ]
        await asyncio.sleep(0)
        engine.go.set()
        assert [each.item for each in await first] == ["i0"]
        for n, each in enumerate(others):
            assert [found.item for found in await each] == ITEMS[n : 2 * n + 1]
        assert engine.calls == sizes == [1, 5]

    asyncio.run(run())


def test_a_call_has_an_end():
    async def run():
        engine = Slow()
        batcher = Batcher(engine)
        calls = [
            asyncio.create_task(batcher.recommend(Query(), 1)) for _ in range(2 * MOST_QUERIES + 1)
        ]
        await asyncio.sleep(0)
        engine.go.set()
        await asyncio.gather(*calls)
        assert engine.calls == [MOST_QUERIES, MOST_QUERIES, 1]

    asyncio.run(run())


def test_one_that_cannot_be_answered_does_not_stop_its_neighbours():
    async def run():
        engine = Slow()
        batcher = Batcher(engine)
        queries = [Query(), Query(block=["bad"]), Query(block=["i0"])]
        calls = [asyncio.create_task(batcher.recommend(each, 1)) for each in queries]
        await asyncio.sleep(0)
        engine.go.set()
        assert (await calls[0])[0].item == "i0"
        with pytest.raises(InputError, match="bad"):
            await calls[1]
        assert (await calls[2])[0].item == "i1"

    asyncio.run(run())


def test_one_who_has_gone_is_not_asked_for():
    async def run():
        engine = Slow()
        batcher = Batcher(engine)
        first = asyncio.create_task(batcher.recommend(Query(), 1))
        await asyncio.to_thread(engine.began.wait, 10)
        gone = asyncio.create_task(batcher.recommend(Query(), 1))
        stays = asyncio.create_task(batcher.recommend(Query(), 1))
        await asyncio.sleep(0)
        gone.cancel()
        engine.go.set()
        await asyncio.gather(first, stays)
        assert engine.calls == [1, 1]

    asyncio.run(run())


class Timed(TinyEngine):
    """Notes which threads call it, and takes so many seconds of a processor."""

    def __init__(self, seconds=0.0, backend="numpy"):
        super().__init__()
        self.seconds, self.backend, self.threads = seconds, backend, []

    def recommend(self, queries, k):
        self.threads.append(threading.current_thread().name.partition("_")[0])
        until = time.thread_time() + self.seconds
        while time.thread_time() < until:
            pass
        return super().recommend(queries, k)


@pytest.mark.parametrize(
    ("engine", "query", "expected"),
    [
        (Timed(), Query(user="ann"), "MainThread"),
        (Timed(seconds=2 * MOST_SECONDS), Query(user="ann"), "drrec-engine"),
        (Timed(backend="keras"), Query(user="ann"), "drrec-engine"),
        (Timed(), Query(liked=["i1"]), "drrec-engine"),
    ],
)
def test_only_what_is_known_to_be_quick_is_asked_on_the_event_loop(engine, query, expected):
    async def run():
        batcher = Batcher(engine)
        for _ in range(3):
            await batcher.recommend(query, 1)
        assert engine.threads == ["drrec-engine", expected, expected]

    asyncio.run(run())


def test_quick_calls_are_no_longer_than_they_may_be_and_others_get_their_turn():
    async def run():
        batcher, turns = Batcher(engine := Timed()), []
        await batcher.recommend(Query(user="ann"), 1)
        batcher._seconds = MOST_SECONDS / 3.5

        async def beside():
            while True:
                turns.append(len(engine.calls))
                await asyncio.sleep(0)

        other = asyncio.create_task(beside())
        await asyncio.gather(*(batcher.recommend(Query(user="ann"), 1) for _ in range(4)))
        other.cancel()
        assert engine.calls[1] == 3
        assert 2 in turns

    asyncio.run(run())


def test_a_quick_one_that_cannot_be_answered_does_not_stop_its_neighbours():
    async def run():
        batcher = Batcher(Timed())
        await batcher.recommend(Query(user="ann"), 1)
        queries = [Query(user="ann"), Query(user="ann", block=["bad"]), Query(user="bob")]
        calls = [asyncio.create_task(batcher.recommend(each, 1)) for each in queries]
        assert (await calls[0])[0].item == (await calls[2])[0].item == "i0"
        with pytest.raises(InputError, match="bad"):
            await calls[1]

    asyncio.run(run())
