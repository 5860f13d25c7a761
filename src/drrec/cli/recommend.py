"""What `recommend` prints or writes."""

from __future__ import annotations

import logging
import pathlib
from typing import TYPE_CHECKING, Any

from drrec.bulk import write_lists
from drrec.errors import InputError, told
from drrec.files import to_json
from drrec.serving.queries import Query

if TYPE_CHECKING:
    from drrec.cli.flags import Recommend
    from drrec.serving.engine import Engine
    from drrec.serving.queries import Recommendation


def recommended(engine: Engine, asked: Recommend) -> str:
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
    allow, block = (_items_in(engine, each) for each in (asked.among, asked.filter))
    options: dict[str, Any] = {"allow": allow, "block": block or ()}
    if asked.user is not None:
        users = _users(engine, asked.user)
        options["filter_seen"] = not asked.keep_seen
        if asked.out is not None:
            written = write_lists(engine.recommender, users, asked.out, asked.top_k, **options)
            logging.info("%s rows for %s users: %s", f"{written:,}", len(users), asked.out)
            return ""
        lists = engine.recommend([Query(user=user, **options) for user in users], asked.top_k)
        found = [
            {"user": user, "liked": _liked_by(engine, user)} | _named(own)
            for user, own in zip(users, lists, strict=True)
        ]
    elif asked.liked is not None:
        query = Query(liked=_items_in(engine, asked.liked) or (), **options)
        found = [{"liked": asked.liked} | _named(engine.recommend([query], asked.top_k)[0])]
    else:
        item = str(asked.similar_to)
        engine.items.dense(item)
        found = [{"similar_to": item} | _named(engine.similar(item, asked.top_k))]
    if asked.json:
        return to_json(found[0] if len(found) == 1 else found)
    return "\n\n".join(map(_as_text, found))


def _users(engine: Engine, named: str) -> list[str]:
    """The users that are named, or all; an id may hold a comma, or be `all`."""
    if named in engine.users:
        return [named]
    if named == "all":
        return engine.users.raw.tolist()
    users = _ids_in(named) or []
    for user in users:
        engine.users.dense(user)  # whose error suggests the nearest
    return users


def _items_in(engine: Engine, text: str | None) -> list[str] | None:
    items = _ids_in(text)
    for item in items or ():
        engine.items.dense(item)  # whose error suggests the nearest
    return items


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


def _liked_by(engine: Engine, user: str) -> list[dict[str, Any]]:
    items = engine.recommender.liked_by(user)
    titles = engine.recommender.titles_of(items)
    return [{"item": item, "title": titles[item]} for item in items]


def _named(found: list[Recommendation]) -> dict[str, Any]:
    """`{"items": [{"item", "title", "score"}]}`."""
    return {"items": [each._asdict() for each in found]}


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
