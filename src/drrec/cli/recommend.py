"""What `recommend` prints or writes."""

from __future__ import annotations

import logging
import pathlib
from typing import TYPE_CHECKING, Any

from drrec.bulk import write_lists
from drrec.errors import InputError, told
from drrec.files import to_json

if TYPE_CHECKING:
    import pandas as pd

    from drrec.base import Recommender
    from drrec.cli.flags import Recommend


def recommended(model: Recommender, asked: Recommend) -> str:
    """The lists that are asked for, as text or JSON; "" if they went into a file.

    Raises:
        InputError: flags do not go together, or an id is unknown.
    """
    given = [name for name in (asked.user, asked.liked, asked.similar_to) if name is not None]
    if len(given) != 1:
        raise InputError(
            "Expected one of --user, --liked and --similar-to. Received: none of them, or several."
        )
    if asked.similar_to is not None and (asked.among or asked.filter):
        raise InputError(
            "Expected --filter and --among with --user or --liked. Received: --similar-to. "
            "Leave them out."
        )
    if asked.out is not None and asked.user is None:
        raise InputError("Expected --user with --out. Received: none. Add --user all, say.")
    options: dict[str, Any] = {"allow": _ids_in(asked.among), "block": _ids_in(asked.filter)}
    if asked.user is not None:
        users = _users(model, asked.user)
        options["filter_seen"] = not asked.keep_seen
        if asked.out is not None:
            written = write_lists(model, users, asked.out, asked.top_k, **options)
            logging.info("%s rows for %s users: %s", f"{written:,}", len(users), asked.out)
            return ""
        found = [
            {"user": user, "liked": _with_titles(model, model.liked_by(user))}
            | _named(model, model.recommend([user], asked.top_k, **options))
            for user in users
        ]
    elif asked.liked is not None:
        listed = model.recommend_for(_ids_in(asked.liked) or (), asked.top_k, **options)
        found = [{"liked": asked.liked} | _named(model, listed)]
    else:
        listed = model.similar_items(asked.similar_to, asked.top_k)
        found = [{"similar_to": asked.similar_to} | _named(model, listed)]
    if asked.json:
        return to_json(found[0] if len(found) == 1 else found)
    return "\n\n".join(map(_as_text, found))


def _users(model: Recommender, named: str) -> list[str]:
    """The users that are named, or all; an id may hold a comma, or be `all`."""
    known = model.users
    if named in known:
        return [named]
    return known if named == "all" else _ids_in(named) or []


def _ids_in(text: str | None) -> list[str] | None:
    """Ids joined by commas, or each on a line of the file after `@`."""
    if text is None or not text.startswith("@"):
        return None if text is None else [each.strip() for each in text.split(",") if each.strip()]
    try:
        lines = pathlib.Path(text[1:]).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"Expected a file of ids at {text[1:]}. Received: {told(error)}."
        ) from error
    return [line.strip() for line in lines if line.strip()]


def _with_titles(model: Recommender, items: list[str]) -> list[dict[str, Any]]:
    titles = model.titles_of(items)
    return [{"item": item, "title": titles[item]} for item in items]


def _named(model: Recommender, listed: pd.DataFrame) -> dict[str, Any]:
    """`{"items": [{"item", "title", "score"}]}`."""
    named = _with_titles(model, listed["item"].tolist())
    scores = listed["score"].tolist()
    return {"items": [each | {"score": score} for each, score in zip(named, scores, strict=True)]}


def _as_text(found: dict[str, Any]) -> str:
    items = [
        f"  {place:>3}. {each['score']:+.3f}  {each['title'] or each['item']} ({each['item']})"
        for place, each in enumerate(found["items"], 1)
    ]
    if "user" in found:
        liked = [f"  {each['title'] or each['item']}" for each in found["liked"]]
        lines = [f"User {found['user']} liked, most recent first:", *(liked or ["  nothing yet"])]
    elif "liked" in found:
        lines = [f"A new user who likes {found['liked']}."]
    else:
        lines = [f"Similar to {found['similar_to']}."]
    return "\n".join([*lines, "Recommended, with scores:", *(items or ["  nothing"])])
