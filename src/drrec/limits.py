"""Limits: of what a file may hold, checked before memory is taken for it; and of the cores here."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import TYPE_CHECKING

from drrec.ranges import check_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of what files may hold; what is beyond them is refused."""

    max_rows: int = 1_000_000_000
    """Rows of a log. [>= 1]"""
    max_memory: int = 1_000
    """Megabytes of memory to read a log in; what is beyond goes to temporary files. [>= 500]"""
    max_id_length: int = 1_000
    """Characters of a user's or an item's id. [>= 1]"""
    max_title_length: int = 100_000
    """Characters of an item's title, genres or text. [>= 1]"""
    max_line: int = 1 << 24
    """Bytes of one line. [>= 1]"""
    max_dim: int = 65_536
    """Dimensions of a feature vector. [>= 1]"""
    max_bytes: int = 1 << 36
    """Bytes that one file may hold once it is unpacked. [>= 1]"""
    max_nesting: int = 64
    """Depth of lists and objects in YAML and JSON. [1 to 500]"""
    max_values: int = 1_000_000
    """Values in a YAML file, aliases written out. [>= 1]"""

    def __post_init__(self) -> None:
        others = {"[1, 500]": ("max_nesting",), f"[500, {_HIGHEST}]": ("max_memory",)}
        apart = {name for names in others.values() for name in names}
        names = [field.name for field in dataclasses.fields(self) if field.name not in apart]
        check_ranges(self, {f"[1, {_HIGHEST}]": names, **others})


_HIGHEST = (1 << 62) - 1

_held = Limits()


def current() -> Limits:
    """The limits of this process."""
    return _held


def hold(limits: Limits) -> None:
    """Let these limits hold from now on."""
    global _held
    _held = limits


@contextlib.contextmanager
def limited(**changed: int) -> Iterator[Limits]:
    """Within it some limits are others.

    Examples:
        >>> from drrec.limits import current, limited
        >>> with limited(max_dim=8):
        ...     current().max_dim
        8
    """
    before = current()
    hold(dataclasses.replace(before, **changed))
    try:
        yield current()
    finally:
        hold(before)


def num_cores() -> int:
    """Cores that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
