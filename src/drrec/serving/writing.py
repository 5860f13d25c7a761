"""Writing records within a transaction; what cannot be written is said for each of them."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from drrec.serving.records import (
    AddItem,
    Event,
    ForgetHistory,
    ForgetSession,
    ForgetUser,
    Outcome,
    Record,
    RemoveItem,
    Session,
    Shown,
)
from drrec.serving.schema import events, items, sessions, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_INSERT: dict[str, Callable[[sa.Table], Any]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


def written(connection: sa.Connection, records: Sequence[Record]) -> list[Outcome]:
    """Write records in their order; neighbours of one kind go together.

    Returns:
        What became of each.
    """
    outcomes: list[Outcome] = []
    for kind, group in itertools.groupby(records, key=type):
        outcomes += _WRITERS[kind](connection, list(group))
    return outcomes


def _sessions(connection: sa.Connection, opened: Sequence[Session]) -> list[Outcome]:
    rows = [
        {
            "id": each.id,
            "user": each.user,
            "liked": json.dumps(each.liked),
            "disliked": json.dumps(each.disliked),
            "time": each.time,
        }
        for each in opened
    ]
    new = _inserted(connection, sessions, rows, ("id",))
    return [Outcome.STORED if (each.id,) in new else Outcome.CONFLICT for each in opened]


def _events(connection: sa.Connection, given: Sequence[Event]) -> list[Outcome]:
    users = _users_of(connection, {each.session for each in given})
    rows = [
        {
            "session": each.session,
            "event": each.event,
            "user": users[each.session],
            "item": each.item,
            "kind": each.kind,
            "value": each.value,
            "time": each.time,
            "model": each.model,
        }
        for each in given
        if each.session in users
    ]
    new = _inserted(connection, events, rows, ("session", "event"))
    known: dict[tuple[str, str], tuple[Any, ...]] = {}
    outcomes = []
    for each in given:
        key, said = (each.session, each.event), (each.item, each.kind, each.value)
        if each.session not in users:
            outcomes.append(Outcome.NO_SESSION)
        elif key in new and key not in known:
            known[key] = said
            outcomes.append(Outcome.STORED)
        else:
            if key not in known:
                known[key] = _said(connection, key)
            outcomes.append(Outcome.REPEATED if known[key] == said else Outcome.CONFLICT)
    return outcomes


def _said(connection: sa.Connection, key: tuple[str, str]) -> tuple[Any, ...]:
    columns = events.c.item, events.c.kind, events.c.value
    row = connection.execute(
        sa.select(*columns).where(events.c.session == key[0], events.c.event == key[1])
    ).one()
    return tuple(row)


def _shown(connection: sa.Connection, given: Sequence[Shown]) -> list[Outcome]:
    named = {each.session for each in given if each.session is not None}
    users = _users_of(connection, named) if named else {}
    rows = [
        {
            "session": each.session,
            "turn": each.turn,
            "user": users[each.session] if each.session is not None else each.user,
            "items": json.dumps(each.items),
            "propensities": json.dumps(each.propensities),
            "policy": each.policy,
            "model": each.model,
            "time": each.time,
        }
        for each in given
        if each.session is None or each.session in users
    ]
    alone = [row for row in rows if row["session"] is None]
    if alone:
        connection.execute(sa.insert(shown), alone)
    in_sessions = [row for row in rows if row["session"] is not None]
    new = _inserted(connection, shown, in_sessions, ("session", "turn"))
    outcomes = []
    for each in given:
        key = (each.session, each.turn)
        if each.session is None:
            outcomes.append(Outcome.STORED)
        elif each.session not in users:
            outcomes.append(Outcome.NO_SESSION)
        else:
            outcomes.append(Outcome.STORED if key in new else Outcome.CONFLICT)
            new.discard(key)
    return outcomes


def _users_of(connection: sa.Connection, named: set[str]) -> dict[str, str | None]:
    """Users by session, of the sessions that there are; they stay until the transaction ends."""
    query = sa.select(sessions.c.id, sessions.c.user).where(sessions.c.id.in_(named))
    return {id_: user for id_, user in connection.execute(query.with_for_update(read=True))}


def _inserted(
    connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]], key: tuple[str, ...]
) -> set[tuple[Any, ...]]:
    """Insert the rows whose key is not there yet; their keys."""
    if not rows:
        return set()
    insert = _INSERT[connection.dialect.name](table)
    statement = insert.on_conflict_do_nothing(index_elements=key)
    returned = connection.execute(statement.returning(*(table.c[name] for name in key)), rows)
    return {tuple(row) for row in returned}


def _forget_histories(connection: sa.Connection, asked: Sequence[ForgetHistory]) -> list[Outcome]:
    named = {each.session for each in asked}
    known = _users_of(connection, named)
    for table in (events, shown):
        connection.execute(sa.delete(table).where(table.c.session.in_(named)))
    return [Outcome.STORED if each.session in known else Outcome.NO_SESSION for each in asked]


def _forget_sessions(connection: sa.Connection, asked: Sequence[ForgetSession]) -> list[Outcome]:
    gone = _deleted_sessions(connection, sessions.c.id.in_({each.session for each in asked}))
    return [Outcome.STORED if each.session in gone else Outcome.NO_SESSION for each in asked]


def _forget_users(connection: sa.Connection, asked: Sequence[ForgetUser]) -> list[Outcome]:
    outcomes = []
    for each in asked:
        gone = _deleted_sessions(connection, sessions.c.user == each.user)
        alone = connection.execute(sa.delete(shown).where(shown.c.user == each.user))
        has_any = bool(gone) or alone.rowcount > 0
        outcomes.append(Outcome.STORED if has_any else Outcome.NO_SESSION)
    return outcomes


def _deleted_sessions(connection: sa.Connection, condition: Any) -> Iterable[str]:
    """Delete sessions, and by their foreign keys all of them; their ids."""
    query = sa.delete(sessions).where(condition).returning(sessions.c.id)
    return set(connection.scalars(query))


def _add_items(connection: sa.Connection, given: Sequence[AddItem]) -> list[Outcome]:
    outcomes = []
    for each in given:
        added = each.item
        digest = connection.scalar(sa.select(items.c.digest).where(items.c.id == added.id))
        if digest is not None:
            outcomes.append(Outcome.REPEATED if digest == added.digest else Outcome.CONFLICT)
            continue
        if (connection.scalar(sa.select(sa.func.count()).select_from(items)) or 0) >= each.most:
            outcomes.append(Outcome.FULL)
            continue
        row = {
            "id": added.id,
            "title": added.title,
            "genres": json.dumps(added.genres),
            "features": json.dumps(added.features),
            "encoded_by": json.dumps(added.encoded_by),
            "digest": added.digest,
            "time": added.time,
        }
        new = _inserted(connection, items, [row], ("id",))
        # In PostgreSQL another worker may have been quicker.
        outcomes.append(Outcome.STORED if new else Outcome.CONFLICT)
    return outcomes


def _remove_items(connection: sa.Connection, asked: Sequence[RemoveItem]) -> list[Outcome]:
    query = sa.delete(items).where(items.c.id.in_({each.id for each in asked}))
    gone = set(connection.scalars(query.returning(items.c.id)))
    return [Outcome.STORED if each.id in gone else Outcome.NO_SESSION for each in asked]


_WRITERS: dict[type, Callable[[sa.Connection, Any], list[Outcome]]] = {
    Session: _sessions,
    Event: _events,
    Shown: _shown,
    ForgetHistory: _forget_histories,
    ForgetSession: _forget_sessions,
    ForgetUser: _forget_users,
    AddItem: _add_items,
    RemoveItem: _remove_items,
}
