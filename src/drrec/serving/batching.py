"""Micro-batches: requests that wait while the engine is at work go into its next call together."""

from __future__ import annotations

import asyncio
import concurrent.futures
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.serving.engine import Engine
    from drrec.serving.queries import Query, Recommendation

    Waiting = tuple[Query, int, asyncio.Future[list[Recommendation]]]

MOST_QUERIES = 64
"""Queries in one call of the engine, but for a single request of more."""


class Batcher:
    """Asks an engine from an event loop; all its calls are made by one thread."""

    def __init__(self, engine: Engine, observe: Callable[[int], None] = lambda size: None) -> None:
        self._engine = engine
        self._observe = observe
        self._waiting: list[Waiting] = []
        self._runner: asyncio.Task[None] | None = None
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "drrec-engine")

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
                taken = self._waiting[:MOST_QUERIES]
                del self._waiting[:MOST_QUERIES]
                taken = [each for each in taken if not each[2].done()]  # who asked has gone
                if taken:
                    await self._answer(taken)
        finally:
            self._runner = None

    async def _answer(self, taken: list[Waiting]) -> None:
        self._observe(len(taken))
        queries, most = [query for query, _, _ in taken], max(k for _, k, _ in taken)
        try:
            lists = await self.call(self._engine.recommend, queries, most)
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
