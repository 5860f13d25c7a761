"""Settings of preparing a published log: each field's docstring is its `--help`."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Annotated, Literal

import tyro

from drrec.errors import InputError
from drrec.ranges import check_ranges
from drrec.registry import check_choices


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """What to make of files that were got by hand."""

    source: Annotated[pathlib.Path | None, tyro.conf.arg(name="from")] = None
    """Folder with the files as they were published, of a data set that is not fetched."""
    file: str | None = None
    """Which file of that folder has the log, where several could."""
    to: str | None = None
    """Name of the folder to make in data/; by default the data set's."""
    item: Literal["artist", "track"] = "artist"
    """Of Last.fm: what is recommended."""
    repeats: Literal["drop", "keep"] = "drop"
    """Rows of the same user and item: only the last, or all, as repeat consumption needs."""
    session_gap: float = 30.0
    """Of Last.fm: minutes without a play after which a new session starts. [> 0]"""
    min_user: int | None = None
    """Items that a user must have, and go on having as others go; by default what docs/datasets.md
    says. [>= 0]"""
    min_item: int | None = None
    """Users that an item must have, and go on having; by default what docs/datasets.md says.
    [>= 0]"""
    bad_rows: Literal["stop", "skip"] | None = None
    """At a malformed row: stop and name it, or skip and count; by default stop, of Last.fm skip."""

    def __post_init__(self) -> None:
        check_choices(self)
        least = ("min_user", "min_item")
        check_ranges(self, {"[0, inf)": least, "(0, inf)": ("session_gap",)})
        if self.to is not None and (not self.to.strip(".") or {"/", "\\"} & set(self.to)):
            raise InputError(f"`to` must be the plain name of a folder. Received: {self.to!r}.")
