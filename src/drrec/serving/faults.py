"""What may be wrong with the store while it is used."""

from __future__ import annotations

import sqlite3
from typing import Any

from drrec.errors import told


class StoreError(Exception):
    """The store could not be read or written."""


class StoreFull(StoreError):
    """There is no room for what was to be written; reading goes on."""


class StoreBusy(StoreError):
    """Others have kept the store for longer than a write waits."""


_FULL, _BUSY, _LOCKED = sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED
_DISK_FULL = "53100"  # of PostgreSQL


def fault_of(error: Exception) -> StoreError:
    """The `StoreError` of a driver's error."""
    cause: Any = getattr(error, "orig", None) or error
    said = told(cause)
    code = getattr(cause, "sqlite_errorcode", -1) & 0xFF
    if code == _FULL or getattr(cause, "sqlstate", None) == _DISK_FULL:
        return StoreFull(said)
    return StoreBusy(said) if code in (_BUSY, _LOCKED) else StoreError(said)
