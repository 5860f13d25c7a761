"""What a published data set is: its files, and how their lines are read."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from drrec.data.config import LogConfig

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable
    from typing import Literal

    from drrec.data.published.config import PrepareConfig
    from drrec.data.published.sql import Form


class WordsFile(NamedTuple):
    """Where the titles are, and a form with columns item, title and genres."""

    path: pathlib.Path
    form: Form


class Fault(ValueError):
    """Why a header is not what it should be, as "Expected … Received: …"."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """A data set that is got by hand."""

    files: tuple[str, ...]
    """Patterns of the log's name, any of which will do."""
    page: str
    """Web page with download and licence."""
    layout: Callable[[str, PrepareConfig], Form]
    """From the log's first line."""
    words: Callable[[pathlib.Path], WordsFile] | None = None
    """From the log's path; None where the log names its items."""
    min_user: int = 5
    min_item: int = 5
    bad_rows: Literal["stop", "skip"] = "stop"
    is_rated: bool = True
    is_timed: bool = True
    has_sessions: bool = False
    test: str = ""
    """File beside the log with feedback that users did not choose to give: the test part."""
    is_matrix: bool = False
    """Whether the files are matrices of one size, a line for each user: a column `ratings`."""
    is_ended: bool = False
    """Whether a file without an end of its last line is cut short, whatever that line says."""
    log: LogConfig = dataclasses.field(default_factory=LogConfig)
    """What the ratings mean."""
