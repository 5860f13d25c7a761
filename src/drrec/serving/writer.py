"""Group commit: what many requests write at once goes into one transaction."""

from __future__ import annotations

import collections
import concurrent.futures
import logging
import threading
from typing import TYPE_CHECKING, TypeAlias

from drrec.serving.faults import StoreBusy, StoreError, StoreFull

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drrec.serving.records import Outcome, Record
    from drrec.serving.store import Store

logger = logging.getLogger(__name__)

Written: TypeAlias = "concurrent.futures.Future[list[Outcome]]"

MOST_RECORDS = 2_000
"""Records in one transaction, but for a single call of more."""


class Writer:
    """A thread that writes to a store what others give it, in order.

    While one transaction goes to disk, what comes in waits for the next: the more there is to do,
    the more goes together.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: collections.deque[tuple[Sequence[Record], Written]] = collections.deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._num_waiting = 0
        self._thread = threading.Thread(target=self._run, name="drrec-writer", daemon=True)
        self._thread.start()

    @property
    def num_waiting(self) -> int:
        """Records that are not on disk yet."""
        return self._num_waiting

    def submit(self, records: Sequence[Record]) -> Written:
        """Have records written, all or none; the future is done when they are on disk.

        Raises:
            StoreError: the writer is closed.
        """
        future: Written = concurrent.futures.Future()
        with self._changed:
            if self._is_closed:
                raise StoreError("the store is closed")
            self._waiting.append((records, future))
            self._num_waiting += len(records)
            self._changed.notify()
        return future

    def close(self) -> None:
        """Write what waits, then stop."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while calls := self._taken():
            self._commit(calls)

    def _taken(self) -> list[tuple[Sequence[Record], Written]]:
        with self._changed:
            while not self._waiting and not self._is_closed:
                self._changed.wait()
            taken, size = [], 0
            while self._waiting and size < MOST_RECORDS:
                taken.append(self._waiting.popleft())
                size += len(taken[-1][0])
            return taken

    def _commit(self, calls: list[tuple[Sequence[Record], Written]]) -> None:
        records = [record for call, _ in calls for record in call]
        try:
            outcomes = self._store.write(records)
        except Exception as error:
            if len(calls) > 1 and not isinstance(error, StoreFull | StoreBusy):
                for each in calls:  # one that cannot be written does not stop the others
                    self._commit([each])
                return
            self._count_down(len(records))
            if not isinstance(error, StoreError):
                logger.exception("a fault in writing")
                error = StoreError(str(error))
            for _, future in calls:
                future.set_exception(error)
            return
        self._count_down(len(records))
        start = 0
        for call, future in calls:
            future.set_result(outcomes[start : start + len(call)])
            start += len(call)

    def _count_down(self, size: int) -> None:
        with self._changed:
            self._num_waiting -= size
