"""What makes a table of features sound: its items, its shape, its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drrec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


LARGEST = np.float32(1e15)
"""Of a feature: its square is well within float32."""


def check_ids(rows: Sequence[str], items: Sequence[str], what: str) -> None:
    """Refuse rows that are not the data set's items, each once, in any order.

    Raises:
        InputError: the message names `what`, and items that are missing, unknown or repeated.
    """
    known, found = set(items), set(rows)
    repeated = len(rows) - len(found)
    missing = [raw for raw in items if raw not in found]
    unknown = [raw for raw in rows if raw not in known]
    faults = [
        f"{len(some):,} {kind} ({listed(some)})"
        for kind, some in (("missing", missing), ("unknown", unknown))
        if some
    ]
    if repeated:
        faults.append(f"{repeated:,} repeated")
    if faults:
        raise InputError(
            f"Expected {what} for its {len(items):,} items. Received: {', '.join(faults)}. "
            "The file was made for other ratings: remove it and extract or import again."
        )


def check_rows(features: np.ndarray, present: np.ndarray, ids: Sequence[str], what: str) -> None:
    """Refuse features of a wrong shape or type, rows with NaN, and a modality that no item has.

    Args:
        features: [I', dim] float16 or float32.
        present: [I'] bool.
        ids: [I'] raw ids of the rows, for messages.
        what: names the features, for messages.

    Raises:
        InputError: the message says which.
    """
    if features.ndim != 2 or len(features) != len(ids) or not features.shape[1]:
        raise InputError(
            f"Expected {what} as [{len(ids):,} items, dim]. Received: {list(features.shape)}. "
            "Extract or import them again."
        )
    if features.dtype not in (np.float16, np.float32):
        raise InputError(
            f"Expected {what} as float16 or float32. Received: {features.dtype}. "
            "Extract or import them again."
        )
    if present.shape != (len(ids),) or present.dtype != np.bool_:
        raise InputError(
            f"Expected `present` of {what} as [{len(ids):,}] bool. Received: "
            f"{list(present.shape)} {present.dtype}. Extract or import them again."
        )
    for bad, received in (
        (present & ~np.isfinite(features).all(axis=1), "NaN or infinity"),
        (
            present & (np.abs(features) > np.float32(LARGEST)).any(axis=1),
            f"numbers beyond {LARGEST:g}",
        ),
    ):
        if bad.any():
            names = [raw for raw, is_bad in zip(ids, bad, strict=True) if is_bad]
            raise InputError(
                f"Expected finite {what}. Received: {received} for {bad.sum():,} items "
                f"({listed(names)}). Mark them absent, or extract or import them again."
            )
    if not present.any():
        raise InputError(
            f"Expected {what} for at least one item. Received: none that is present. "
            "Leave that modality out, or extract or import it again."
        )


def listed(names: Sequence[str], most: int = 5) -> str:
    """A few names, and how many more there are."""
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "none") + rest
