"""A store's feedback as a log to train on."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING

from drrec.errors import InputError
from drrec.files import replaced
from drrec.serving.sessions import stars_of

if TYPE_CHECKING:
    from drrec.serving.records import Event
    from drrec.serving.store import Store

LOG = "serving.jsonl"


def write_log(store: Store, folder: pathlib.Path) -> tuple[pathlib.Path, int]:
    """Write all feedback as JSON lines that `--dataset` reads: user, item, rating, timestamp.

    A session without a user is a user of its own. Ratings are stars: a like is 5, a dislike 1, a
    skip 3, which is not liked.

    Args:
        store: the store.
        folder: gets the file; one that is there is replaced.

    Returns:
        The file, and how many rows it has.

    Raises:
        InputError: there is no feedback.
    """
    rows = 0
    path = folder / LOG
    with replaced(path) as side, side.open("w", encoding="utf-8") as file:
        for event in store.events():
            file.write(json.dumps(_row(event), ensure_ascii=False) + "\n")
            rows += 1
        if not rows:
            raise InputError(
                f"Expected feedback in {store}. Received: none yet. It comes by POST "
                "/v1/sessions/<id>/feedback."
            )
    return path, rows


def user_of(event: Event) -> str:
    """Whose feedback it is; a session without a user is a user of its own."""
    return event.user if event.user is not None else f"session {event.session}"


def _row(event: Event) -> dict[str, str | float]:
    return {
        "user": user_of(event),
        "item": event.item,
        "rating": stars_of(event),
        "timestamp": event.time,
    }
