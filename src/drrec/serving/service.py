"""What the routes share: the models, the store, and how a list is asked for and stored."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import random
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.exceptions import HTTPException

from drrec.errors import shown as as_shown
from drrec.serving.exploring import drawn, pool_size
from drrec.serving.faults import StoreBusy, StoreError, StoreFull
from drrec.serving.records import Outcome, Record, Shown
from drrec.serving.sessions import query_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drrec.serving.config import ServeConfig
    from drrec.serving.exploring import Drawn
    from drrec.serving.metrics import Metrics
    from drrec.serving.models import Models, Served
    from drrec.serving.queries import Query, Recommendation
    from drrec.serving.records import History
    from drrec.serving.store import Store
    from drrec.serving.writer import Writer

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

MOST_WAITING = 20_000
"""Records of lists without a session that may wait for the store; further ones are waited for."""

_READERS = 4
_TRIES = 20


class Service:
    """A worker's models and its side of the store."""

    def __init__(
        self, config: ServeConfig, models: Models, store: Store, writer: Writer, metrics: Metrics
    ) -> None:
        self.config = config
        self.models = models
        self.store = store
        self.metrics = metrics
        self._writer = writer
        self._readers = concurrent.futures.ThreadPoolExecutor(_READERS, "drrec-store")
        self._generator = random.Random()
        self._has_warned = False
        self._items = (0, 0)
        self._syncing = threading.Lock()

    def look_for_items(self) -> None:
        """Have the models recommend the items that the store has by now.

        Raises:
            StoreError: it cannot be read.
        """
        with self._syncing:
            version = self.store.items_version()
            if version != self._items:
                self.models.set_items(self.store.items())
                self._items = version

    async def sync_items(self) -> None:
        """`look_for_items`, off the event loop.

        Raises:
            HTTPException: the store cannot be read.
        """
        await self.read(self.look_for_items)

    async def read(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Read from the store, off the event loop.

        Raises:
            HTTPException: it cannot be read.
        """
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._readers, function, *arguments)
        except StoreError as error:
            raise refused(error) from error

    async def write(self, records: Sequence[Record]) -> list[Outcome]:
        """Write records; they are on disk when this returns.

        Raises:
            StoreError: they could not be written.
        """
        future = self._writer.submit(records)
        # A client that goes away does not undo what was accepted.
        return await asyncio.shield(asyncio.wrap_future(future))

    async def history(self, session: str) -> History:
        """A session.

        Raises:
            HTTPException: there is none, or it cannot be read.
        """
        history = await self.read(self.store.history, session)
        if history is None:
            raise no_session(session)
        return history

    async def model_of(self, session: str) -> Served:
        """The model that serves a session.

        Raises:
            HTTPException: there is no such session, where that has to be known.
        """
        if len(self.models.served) == 1:  # whoever asks; nothing need be read
            return self.models.pick(session)
        opened = await self.read(self.store.session, session)
        if opened is None:
            raise no_session(session)
        return self.models.pick(opened.user or session)

    async def listed(self, served: Served, query: Query, k: int) -> list[Recommendation]:
        """The top K of a query."""
        self.metrics.recommended.labels(served.label).inc()
        return await served.batcher.recommend(query, k)

    async def log(self, lists: Sequence[Shown]) -> None:
        """Have lists without a session stored; it is not waited for."""
        future = self._writer.submit(lists)
        future.add_done_callback(self._warn)
        if self._writer.num_waiting > MOST_WAITING:
            await asyncio.wait([asyncio.wrap_future(future)])

    def _warn(self, future: concurrent.futures.Future[Any]) -> None:
        failed = future.exception() is not None
        if failed and not self._has_warned:
            logger.warning("lists are not stored: %s", future.exception())
        self._has_warned = failed

    async def next_list(
        self, session: str, k: int, *, keep_unanswered: bool
    ) -> tuple[Served, Query, Drawn, Shown, bool]:
        """The next list of a session, and whether it is stored.

        Of two that are asked for at once the second is made after the first is stored, so that no
        item is in both.

        Raises:
            HTTPException: there is no such session.
        """
        for _ in range(_TRIES):
            history = await self.history(session)
            served = self.models.pick(history.session.user or session)
            engine, explore = served.engine, self.config.explore
            query = query_of(history, engine.users, engine.items, keep_unanswered=keep_unanswered)
            best = await self.listed(served, query, pool_size(k, explore))
            made = drawn(best, k, explore, self._generator)
            turn = 1 + max((each.turn or 0 for each in history.shown), default=0)
            record = Shown(
                session=session,
                turn=turn,
                user=history.session.user,
                items=tuple(each.item for each in made.items),
                propensities=tuple(made.propensities),
                policy=made.policy,
                model=served.label,
                time=time.time(),
            )
            try:
                [outcome] = await self.write([record])
            except StoreFull:  # recommending goes on; feedback is refused
                return served, query, made, record, False
            except StoreError as error:
                raise refused(error) from error
            if outcome is Outcome.NO_SESSION:
                raise no_session(session)
            if outcome is Outcome.STORED:
                return served, query, made, record, True
        raise HTTPException(
            409,
            "Expected one call at a time for the next list of a session. Received: many. Try "
            "again.",
        )

    @property
    def num_waiting(self) -> int:
        """Records that are not on disk yet."""
        return self._writer.num_waiting

    def close(self) -> None:
        """Write what waits, and close the store."""
        self._writer.close()
        self._readers.shutdown()
        self.store.close()


def refused(error: StoreError) -> HTTPException:
    """What a client is told of a store that fails it."""
    if isinstance(error, StoreFull):
        return HTTPException(
            507,
            "Expected room on the disk of the store. Received: a full one. Nothing was stored; "
            "make room, and send this again.",
        )
    if isinstance(error, StoreBusy):
        return HTTPException(
            503,
            "Expected the store within its time. Received: others kept it. Try again.",
            headers={"retry-after": "1"},
        )
    logger.error("the store fails: %s", error)
    return HTTPException(
        503,
        "Expected a store that works. Received: a fault; the server's log says more. Nothing was "
        "stored; send this again later.",
        headers={"retry-after": "5"},
    )


def no_model(name: str) -> HTTPException:
    """There is no such model."""
    return HTTPException(
        404,
        f"Expected a served model. Received: {as_shown(name)}, which is none of GET /v1/models.",
    )


def no_session(session: str) -> HTTPException:
    """There is no such session."""
    return HTTPException(
        404,
        f"Expected the id of a session. Received: {as_shown(session)}, of which there is none. "
        "Open one by POST /v1/sessions.",
    )
