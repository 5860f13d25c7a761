"""Numbers and tables in Markdown that also reads well on a console."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MISSING = "–"


def grid(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, columns aligned; the first of `rows` is the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return [lines[0], rule, *lines[1:]]


def plain(value: float | None, form: str = ".2f") -> str:
    """`0.74`; null in `metrics.json` is what is not known."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:{form}}"


def short(value: float | None, digits: int = 3) -> str:
    """`.743` for 0.743: the zero before the point says nothing in a table of shares."""
    text = plain(value, f".{digits}f")
    return text.removeprefix("0") if value is not None and 0 <= value < 1 else text


def signed(value: float | None, digits: int = 3) -> str:
    """`+0.012`, for differences."""
    return plain(value, f"+.{digits}f")


def rounded(value: float | None) -> str:
    """`1,234`, for what is counted."""
    return plain(value, ",.0f")


def p_value(value: float | None) -> str:
    """`.012`, or `< .001` for less."""
    return "< .001" if value is not None and value < 0.001 else short(value)


def with_interval(cell: Mapping[str, Any], mean: str | None = None) -> str:
    """`.743 ± .002 [.731, .755]`, as far as the cell knows; `mean` as it is to be shown."""
    shown = short(cell["mean"]) if mean is None else mean
    seeds = f" ± {short(cell['std'])}" if "std" in cell else ""
    interval = f" [{short(cell['low'])}, {short(cell['high'])}]"
    return shown + seeds + ("" if MISSING in interval else interval)
