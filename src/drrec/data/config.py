"""Settings of reading a log of one's own: each field's docstring is its `--help`."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from drrec.errors import InputError, shown

Kind = Literal["rating", "count", "duration"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogConfig:
    """Which columns a log has, and what its ratings mean; by default both are read off the file."""

    user_column: str | None = None
    """Column of users; by default the one that bears a usual name, such as user_id."""
    item_column: str | None = None
    """Column of items; by default the one that bears a usual name, such as item_id."""
    rating_column: str | None = None
    """Column of ratings, clicks, counts or durations; by default as above; '' reads none."""
    time_column: str | None = None
    """Column of times; by default as above; '' takes the order of the rows."""
    separator: str | None = None
    """What stands between two fields, `tab` for a tab; by default read off the header."""
    rating_scale: str | None = None
    """LOW,HIGH, the worst and the best rating there may be; by default read off the ratings."""
    like_from: float | None = None
    """The least rating that is a like; by default three quarters up the scale, 4 of 1 to 5."""
    rating_kind: Kind | None = None
    """What the column holds: ratings, or counts or durations, which say how sure an interaction is;
    by default by the column's name."""
    unrated: float | None = None
    """A value that stands for no rating; its rows are left out."""

    def __post_init__(self) -> None:
        if self.separator is not None:
            if self.separator in ("tab", "\\t"):
                object.__setattr__(self, "separator", "\t")
            if not self.separator or set(self.separator) & set('"\r\n'):
                raise InputError(
                    f"`separator` must be a character between fields, or `tab`. Received: "
                    f"{shown(self.separator)}."
                )
        _ = self.scale  # is checked
        if self.like_from is not None and not math.isfinite(self.like_from):
            raise InputError(f"`like_from` must be a finite number. Received: {self.like_from}.")

    @property
    def scale(self) -> tuple[float, float] | None:
        """`rating_scale` as two numbers.

        Raises:
            InputError: it is not two numbers, the lower one first.
        """
        if self.rating_scale is None:
            return None
        try:
            low, high = map(float, self.rating_scale.split(","))
        except ValueError:
            low = high = 0.0
        if not -math.inf < low < high < math.inf:
            raise InputError(
                "`rating_scale` must be LOW,HIGH, such as 1,10. "
                f"Received: {shown(self.rating_scale)}."
            )
        return low, high
