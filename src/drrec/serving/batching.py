"""Micro-batches: requests that wait while the engine is at work go into its next call together.

A call for known users that takes less than two milliseconds is made on the event loop: to hand it
to another thread takes longer, up to five milliseconds each way while both want Python's lock.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.serving.engine import Engine
    from drrec.serving.queries import Query, Recommendation

    Waiting = tuple[Query, int, asyncio.Future[list[Recommendation]]]

MOST_QUERIES = 64
"""Queries in one call of the engine, but for a single request of more."""

MOST_SECONDS = 0.002
"""Processor time that a call on the event loop may take, going by the calls before."""

_LATEST = 0.1
"""Weight of the latest call in the mean of all."""


class Batcher:
    """Asks an engine from an event loop; calls that take long are made by a thread, one by one."""

    def __init__(self, engine: Engine, observe: Callable[[int], None] = lambda size: None) -> None:
        self._engine = engine
        self._observe = observe
        self._waiting: list[Waiting] = []
        self._runner: asyncio.Task[None] | None = None
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "drrec-engine")
        self._seconds: float | None = None  # of a query, the mean

    async def recommend(self, query: Query, k: int) -> list[Recommendation]:
        """The top K of one query."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((query, k, future))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return await future

    async def recommend_many(self, queries: list[Query], k: int) -> list[list[Recommendation]]:
        """The top K of many queries of one request, in one call."""
        return await self.call(self._engine.recommend, queries, k)

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Anything else that the engine's thread is to do."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, function, *arguments)

    async def _run(self) -> None:
        try:
            while self._waiting:
                size = min(MOST_QUERIES, self._num_quick or MOST_QUERIES)
                taken = self._waiting[:size]
                del self._waiting[:size]
                taken = [each for each in taken if not each[2].done()]  # who asked has gone
                if taken:
                    await self._answer(taken)
        finally:
            self._runner = None

    @property
    def _num_quick(self) -> int:
        """Queries that a call on the event loop may have; 0 before any was timed."""
        if not self._seconds or self._engine.backend != "numpy":
            return 0
        return int(MOST_SECONDS / self._seconds)

    def _timed(self, queries: list[Query], k: int) -> list[list[Recommendation]]:
        """The engine's answers; notes the processor time that they took."""
        began = time.thread_time()
        lists = self._engine.recommend(queries, k)
        each = (time.thread_time() - began) / len(queries)
        before = each if self._seconds is None else self._seconds
        self._seconds = before + _LATEST * (each - before)
        return lists

    async def _answer(self, taken: list[Waiting]) -> None:
        self._observe(len(taken))
        queries, most = [query for query, _, _ in taken], max(k for _, k, _ in taken)
        try:
            if any(each.user is None for each in queries):  # who may need a model of their own
                lists = await self.call(self._engine.recommend, queries, most)
            elif len(queries) > self._num_quick:
                lists = await self.call(self._timed, queries, most)
            else:
                lists = self._timed(queries, most)
                await asyncio.sleep(0)  # others' turn
        except Exception as error:
            if len(taken) > 1:  # one that cannot be answered does not stop the others
                for each in taken:
                    await self._answer([each])
            elif not taken[0][2].done():
                taken[0][2].set_exception(error)
            return
        for (_, k, future), items in zip(taken, lists, strict=True):
            if not future.done():
                future.set_result(items[:k])
