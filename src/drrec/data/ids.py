"""Raw ids, as the data set's owner knows them, and the dense ones that arrays are indexed by."""

from __future__ import annotations

import dataclasses
import difflib
import functools
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from drrec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclasses.dataclass(frozen=True, eq=False)
class IdMap:
    """Raw ids by dense id: `raw[dense]` is the id that the data set's owner knows."""

    raw: np.ndarray  # [size] str
    kind: str = "id"

    def __len__(self) -> int:
        """How many dense ids there are, padding included."""
        return len(self.raw)

    @functools.cached_property
    def _dense(self) -> dict[str, int]:
        return {raw: dense for dense, raw in enumerate(self.raw.tolist())}

    def __contains__(self, raw: object) -> bool:
        """Whether this raw id is known."""
        return raw != "" and raw in self._dense

    def dense(self, raw: str) -> int:
        """The dense id of a raw one.

        Raises:
            InputError: it is not in the map; the message names the nearest that is.
        """
        if raw not in self:
            near = difflib.get_close_matches(raw, self.raw[:50_000].tolist(), n=1)
            hint = f" Did you mean {near[0]!r}?" if near and near[0] else ""
            raise InputError(f"Expected a known {self.kind}. Received: {raw!r}.{hint}")
        return self._dense[raw]


def numbered(raw: Sequence[str] | np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The unique raw ids in order, numbers first, as numbers; and [R] int32 of each row its place.

    Raises:
        InputError: there is none, or one is empty; the message calls them `kind`.
    """
    # Text is made of the unique ids only: of 25 million rows it would take gigabytes.
    codes, found = pd.factorize(np.asarray(raw))
    merged, unique = pd.factorize(np.asarray(found).astype(str))  # 1 and "1" are one id
    if len(unique) == 0:
        raise InputError(f"Expected at least one {kind}. Received: none. Check the file's rows.")
    if codes.min() < 0 or not all(text.strip() for text in unique.tolist()):
        raise InputError(f"Expected a {kind} id in each row. Received: an empty one. Mend its row.")
    as_number = pd.to_numeric(pd.Series(unique), errors="coerce")
    order = np.lexsort((unique, as_number.fillna(np.inf)))
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order))
    return unique[order].astype(str), rank[merged[codes]]
