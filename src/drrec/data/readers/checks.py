"""What a rating must be: rules for whole columns."""

from __future__ import annotations

import datetime
import difflib
from typing import TYPE_CHECKING

import numpy as np

from drrec.errors import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LATEST = int(datetime.datetime(2200, 1, 1, tzinfo=datetime.UTC).timestamp())
"""A later timestamp is taken for milliseconds or for nonsense."""

NULLS = frozenset(("", "nan", "NaN", "NULL", "null", "None", "<NA>", "\\N"))
"""What databases and tables write where there is no id."""

LARGEST_RATING = float(np.finfo(np.float32).max)
"""What a float32 holds."""


def are_sound(rating: np.ndarray, timestamp: np.ndarray) -> bool:
    """Whether all ratings [R] and timestamps [R] are finite, whole and in range."""
    return bool(
        np.all(np.abs(rating) <= LARGEST_RATING)  # False for NaN too
        and np.all((timestamp >= 0) & (timestamp < LATEST))
        and np.all(timestamp == np.floor(timestamp))
    )


def cut_short(timestamp: np.ndarray) -> bool:
    """Whether the last of timestamps [R] has fewer digits than all before it, as if cut off.

    Only where those are dates after 1973: counters from zero differ in digits as a rule.
    """
    earliest = timestamp[:-1].min(initial=LATEST)
    if len(timestamp) < 2 or not 10**8 <= earliest <= LATEST:
        return False
    return bool(timestamp[-1] < 10 ** (len(str(int(earliest))) - 1))


def short(text: str) -> str:
    """A field as an error shows it: quoted, on one line, at most 60 characters of it."""
    return shown(text, 60)


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say after an unknown name: the nearest known one if any, and all of them."""
    names: Sequence[str] = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {shown(near[0])}? " if near else ""
    return f"{hint}Known: {', '.join(names)}."
