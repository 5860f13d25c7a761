"""Ranges of settings: what lies outside is refused in one line."""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any

from drrec.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def check_ranges(settings: object, ranges: Mapping[str, Iterable[str]]) -> None:
    """See that settings lie in their ranges; one that is None is not given.

    Args:
        settings: what has them as attributes.
        ranges: names by interval, such as `"[0, 1)"` or `"(0, inf)"`.

    Raises:
        InputError: one does not.
    """
    for interval, names in ranges.items():
        low, high = (float(end) for end in interval[1:-1].split(","))
        for name in names:
            value = getattr(settings, name)
            if value is None:
                continue
            if not (isinstance(value, numbers.Real) and _is_in(interval, value, low, high)):
                raise InputError(f"`{name}` must be {_told(interval)}. Received: {shown(value)}.")


def _is_in(interval: str, value: Any, low: float, high: float) -> bool:
    above = low <= value if interval[0] == "[" else low < value
    below = value <= high if interval[-1] == "]" else value < high
    return above and below


def _told(interval: str) -> str:
    low, high = interval[1:-1].split(", ")
    if float(high) < math.inf:
        return f"in {interval}"
    return f"{'at least' if interval[0] == '[' else 'above'} {low}"
