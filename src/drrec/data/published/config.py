"""Settings of preparing a published log: each field's docstring is its `--help`."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Annotated, Literal

import tyro

from drrec.errors import InputError, shown
from drrec.ranges import check_ranges
from drrec.registry import check_choices


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """Preparation of a published log from files that you downloaded."""

    source: Annotated[pathlib.Path | None, tyro.conf.arg(name="from")] = None
    """Folder with the published files, of a data set that is not downloaded automatically; of
    `log`, a file, a folder or a pattern such as 'logs/*.parquet'; of `serving`, the store: a file
    or a URL."""
    file: str | None = None
    """File of that folder to read, if there are several logs."""
    to: str | None = None
    """Name of the new folder in data/; by default the name of the data set."""
    item: Literal["artist", "track"] = "artist"
    """Last.fm: what an item is."""
    repeats: Literal["drop", "keep"] = "drop"
    """Rows with the same user and item: drop all but the latest, or keep all."""
    session_gap: float = 30.0
    """Last.fm: minutes without a play after which a new session begins. [> 0]"""
    min_user: int | None = None
    """Minimum number of items of a user (k-core filter).
    Defaults are in docs/datasets.md. [>= 0]"""
    min_item: int | None = None
    """Minimum number of users of an item (k-core filter). [>= 0]"""
    split: str | None = None
    """Log: split to store beside the rows, for --split given; by default that of x_label if any."""
    bad_rows: Literal["stop", "skip"] | None = None
    """Malformed rows: stop and name the row, or skip and count them.
    By default stop, or skip for Last.fm."""

    def __post_init__(self) -> None:
        check_choices(self)
        least = ("min_user", "min_item")
        check_ranges(self, {"[0, inf)": least, "(0, inf)": ("session_gap",)})
        if self.to is not None and (not self.to.strip(".") or {"/", "\\"} & set(self.to)):
            raise InputError(
                f"`to` must be the plain name of a folder. Received: {shown(self.to)}."
            )
