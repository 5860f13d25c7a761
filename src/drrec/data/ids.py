"""Raw ids, as in the source data, and the dense ids that index arrays."""

from __future__ import annotations

import dataclasses
import difflib
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclasses.dataclass(frozen=True, eq=False)
class IdMap:
    """Raw ids by dense id: `raw[dense]` is the id in the source data."""

    raw: np.ndarray  # [size] str, as objects: one long id makes no other one long
    kind: str = "id"

    def __len__(self) -> int:
        """The number of dense ids, padding included."""
        return len(self.raw)

    @functools.cached_property
    def _dense(self) -> dict[str, int]:
        return {raw: dense for dense, raw in enumerate(self.raw.tolist())}

    def __contains__(self, raw: object) -> bool:
        """Whether this raw id is known."""
        return raw != "" and raw in self._dense

    def dense(self, raw: str) -> int:
        """The dense id of a raw id.

        Raises:
            InputError: the id is unknown; the message suggests the nearest.
        """
        if raw not in self:
            near = difflib.get_close_matches(raw, self.raw[:50_000].tolist(), n=1)
            hint = f"Did you mean {shown(near[0])}?" if near and near[0] else "Take one of the log."
            raise InputError(f"Expected a known {self.kind}. Received: {shown(raw)}. {hint}")
        return self._dense[raw]


def numbered(raw: Sequence[str] | np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Unique raw ids, sorted, numbers first in numeric order; [R] int32 the index of each row.

    Raises:
        InputError: there are no ids, or one is empty; the message calls them `kind`.
    """
    import pandas as pd  # not for those who only look ids up: it takes half a second

    # Text is made of the unique ids only: of 25 million rows it would take gigabytes.
    codes, found = pd.factorize(raw if isinstance(raw, np.ndarray) else np.array(raw, object))
    merged, unique = pd.factorize(as_text(found.tolist()))  # 1 and "1" are one id
    if len(unique) == 0:
        raise InputError(f"Expected at least one {kind}. Received: none. Check the file's rows.")
    if codes.min() < 0 or not all(text.strip() for text in unique.tolist()):
        raise InputError(
            f"Expected a {kind} id in each row. Received: an empty one. Correct its row."
        )
    as_number = pd.to_numeric(pd.Series(unique), errors="coerce")
    order = np.lexsort((unique, as_number.fillna(np.inf)))
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order))
    return unique[order], rank[merged[codes]]


def as_text(values: Sequence[Any]) -> np.ndarray:
    """[n] object, each the text of its value."""
    column = np.empty(len(values), object)
    column[:] = [str(each) for each in values]
    return column
