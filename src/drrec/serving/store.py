"""The store: sessions, feedback and recommendations, in SQLite or PostgreSQL."""

from __future__ import annotations

import json
import pathlib
import secrets
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa

from drrec.errors import InputError, told
from drrec.errors import shown as as_shown
from drrec.serving import schema
from drrec.serving.faults import StoreError, fault_of
from drrec.serving.records import AddedItem, Event, History, Outcome, Record, Session, Shown
from drrec.serving.writing import written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BUSY_SECONDS = 5.0
"""How long a write waits for another process's."""

CHECKED_BYTES = 64 << 20
"""SQLite files up to this size are checked whole when they are opened."""

_ROWS_AT_ONCE = 10_000


class Store:
    """Sessions and what happened in them. What `write` has returned for is on disk.

    Threads may share it; several processes may open one file or database.
    """

    def __init__(self, url: sa.URL) -> None:
        self.url = url
        self._read, self._write = _databases(url)

    @classmethod
    def open(cls, where: str) -> Self:
        """Open a store, or make one where there is none.

        Args:
            where: a file (SQLite), or the URL of a PostgreSQL database.

        Raises:
            InputError: it cannot be reached, is damaged, or of another version.
        """
        store = cls(_url(where))
        try:
            store._check()
        except (sa.exc.SQLAlchemyError, UnicodeDecodeError) as error:
            store.close()
            cause = getattr(error, "orig", None) or error
            raise InputError(
                f"Expected a store of drrec at {store}. Received: {told(cause)}. Mend it, restore "
                "it from a copy, or name another one by --store."
            ) from error
        except InputError:
            store.close()
            raise
        return store

    def __str__(self) -> str:
        if self.url.drivername == "sqlite":
            return str(self.url.database)
        return self.url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Close all connections."""
        self._read.dispose()
        self._write.dispose()

    def write(self, records: Sequence[Record]) -> list[Outcome]:
        """Write records in one transaction: all of it is on disk when this returns, or nothing.

        Returns:
            What became of each.

        Raises:
            StoreError: it could not be written; `StoreFull` if there was no room.
        """
        try:
            with self._write.begin() as connection:
                return written(connection, records)
        except sa.exc.SQLAlchemyError as error:
            raise fault_of(error) from error

    def session(self, name: str) -> Session | None:
        """A session as it was opened; None if there is none.

        Raises:
            StoreError: it could not be read.
        """
        with self._reading() as connection:
            return _session(connection, name)

    def history(self, name: str) -> History | None:
        """A session and all of it; None if there is none.

        Raises:
            StoreError: it could not be read.
        """
        with self._reading() as connection:
            found = _session(connection, name)
            if found is None:
                return None
            said = connection.execute(_EVENTS, {"session": name})
            lists = connection.execute(_SHOWN, {"session": name})
            return History(found, tuple(map(_event, said)), tuple(map(_list, lists)))

    def sessions_of(self, user: str) -> list[str]:
        """Ids of a user's sessions, oldest first.

        Raises:
            StoreError: they could not be read.
        """
        table = schema.sessions
        query = sa.select(table.c.id).where(table.c.user == user).order_by(table.c.time, table.c.id)
        with self._reading() as connection:
            return list(connection.scalars(query))

    def events(self, after: int = 0, until: int | None = None) -> Iterator[Event]:
        """All feedback, in the order in which it was stored; of a part by numbers of events."""
        for row in self._all(schema.events, after):
            if until is not None and row.number > until:
                return
            yield _event(row)

    def item(self, name: str) -> AddedItem | None:
        """An item that was added; None if there is none.

        Raises:
            StoreError: it could not be read.
        """
        query = sa.select(schema.items).where(schema.items.c.id == name)
        with self._reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _item(row)

    def items(self) -> list[AddedItem]:
        """All items that were added, oldest first."""
        return [_item(row) for row in self._all(schema.items)]

    def items_version(self) -> tuple[int, int]:
        """What changes with each item that is added or removed.

        Raises:
            StoreError: it could not be read.
        """
        table = schema.items
        query = sa.select(sa.func.count(), sa.func.max(table.c.number)).select_from(table)
        with self._reading() as connection:
            count, last = connection.execute(query).one()
        return count, last or 0

    def last_event(self) -> int:
        """The number of the last event, 0 without any; no lower number is stored after this.

        Raises:
            StoreError: it could not be read.
        """
        try:
            with self._write.begin() as connection:
                if connection.dialect.name == "postgresql":  # where numbers may overtake each other
                    connection.execute(sa.text("LOCK TABLE events IN SHARE MODE"))
                return connection.scalar(sa.select(sa.func.max(schema.events.c.number))) or 0
        except sa.exc.SQLAlchemyError as error:
            raise fault_of(error) from error

    def identity(self) -> str:
        """A name that no other store has, and that its copies share; given at the first call.

        Raises:
            StoreError: it could not be read or written.
        """
        table = schema.meta
        query = sa.select(table.c.value).where(table.c.name == "id")
        try:
            with self._write.begin() as connection:
                found = connection.scalar(query)
                if found is None:
                    found = secrets.token_hex(16)
                    connection.execute(sa.insert(table).values(name="id", value=found))
                return found
        except sa.exc.SQLAlchemyError as error:
            raise fault_of(error) from error

    def recommendations(self) -> Iterator[Shown]:
        """All recommendations, in the order in which they were stored."""
        yield from map(_list, self._all(schema.shown))

    def _all(self, table: sa.Table, last: int = 0) -> Iterator[Any]:
        query = sa.select(table).where(table.c.number > sa.bindparam("last"))
        query = query.order_by(table.c.number).limit(_ROWS_AT_ONCE)
        while True:
            with self._reading() as connection:
                rows = connection.execute(query, {"last": last}).all()
            yield from rows
            if not rows:
                return
            last = rows[-1].number

    def ping(self) -> None:
        """See that the store can be read.

        Raises:
            StoreError: it cannot.
        """
        with self._reading() as connection:
            connection.execute(sa.select(schema.meta.c.value))

    def _reading(self) -> _Reading:
        return _Reading(self._read)

    def _check(self) -> None:
        with self._write.begin() as connection:
            if connection.dialect.name == "postgresql":  # two processes that make the tables
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(1685221987)"))
            there = set(sa.inspect(connection).get_table_names())
            expected = set(schema.metadata.tables)
            if not there & expected:
                if there and connection.dialect.name == "sqlite":
                    raise self._other(f"a database of other tables, {as_shown(sorted(there))}")
                schema.metadata.create_all(connection)
                version = {"name": "version", "value": str(schema.VERSION)}
                connection.execute(sa.insert(schema.meta).values(version))
                return
            found = connection.scalar(_VERSION) if schema.meta.name in there else None
            if found in schema.GROWN_FROM:
                there |= _grow(connection, found)
                found = str(schema.VERSION)
            if missing := expected - there:
                raise self._other(f"one without the tables {as_shown(sorted(missing))}")
            if found != str(schema.VERSION):
                raise self._other(f"version {as_shown(found)}")
            for table in schema.metadata.tables.values():
                connection.execute(sa.select(table).limit(1))
            if connection.dialect.name == "sqlite" and self._is_small():
                state = connection.scalar(sa.text("PRAGMA quick_check(1)"))
                if state != "ok":
                    raise self._other(f"a damaged file: {as_shown(state)}")

    def _is_small(self) -> bool:
        return pathlib.Path(str(self.url.database)).stat().st_size <= CHECKED_BYTES

    def _other(self, received: str) -> InputError:
        return InputError(
            f"Expected a store of drrec, version {schema.VERSION}, at {self}. Received: "
            f"{received}. Restore it from a copy, or name another one by --store."
        )


class _Reading:
    """A connection for reading, whose errors are a `StoreError`."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def __enter__(self) -> sa.Connection:
        try:
            self._connection = self._database.connect()
        except sa.exc.SQLAlchemyError as error:
            raise fault_of(error) from error
        return self._connection

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._connection.close()
        if isinstance(error, sa.exc.SQLAlchemyError):
            raise fault_of(error) from error


_EVENTS = (
    sa.select(schema.events)
    .where(schema.events.c.session == sa.bindparam("session"))
    .order_by(schema.events.c.number)
)
_SHOWN = (
    sa.select(schema.shown)
    .where(schema.shown.c.session == sa.bindparam("session"))
    .order_by(schema.shown.c.turn)
)
_SESSION = sa.select(schema.sessions).where(schema.sessions.c.id == sa.bindparam("session"))


_VERSION = sa.select(schema.meta.c.value).where(schema.meta.c.name == "version")


def _grow(connection: sa.Connection, version: str) -> set[str]:
    """Bring tables of an earlier version up to this one; those that are made."""
    made = schema.GROWN_FROM[version]
    for name in made:
        schema.metadata.tables[name].create(connection)
    update = sa.update(schema.meta).where(schema.meta.c.name == "version")
    connection.execute(update.values(value=str(schema.VERSION)))
    return {*made}


def _item(row: Any) -> AddedItem:
    _, name, title, genres, features, encoded_by, digest, time = row
    return AddedItem(
        id=name,
        title=title,
        genres=tuple(json.loads(genres)),
        features={key: tuple(each) for key, each in json.loads(features).items()},
        encoded_by=json.loads(encoded_by),
        digest=digest,
        time=time,
    )


def _session(connection: sa.Connection, name: str) -> Session | None:
    row = connection.execute(_SESSION, {"session": name}).one_or_none()
    if row is None:
        return None
    liked, disliked = (tuple(json.loads(text)) for text in (row.liked, row.disliked))
    return Session(id=row.id, user=row.user, liked=liked, disliked=disliked, time=row.time)


def _event(row: Any) -> Event:
    _, session, event, user, item, kind, value, time, model = row
    return Event(
        session=session,
        event=event,
        user=user,
        item=item,
        kind=kind,
        value=value,
        time=time,
        model=model,
    )


def _list(row: Any) -> Shown:
    _, session, turn, user, items, propensities, policy, model, time = row
    return Shown(
        session=session,
        turn=turn,
        user=user,
        items=tuple(json.loads(items)),
        propensities=tuple(json.loads(propensities)),
        policy=policy,
        model=model,
        time=time,
    )


def _url(where: str) -> sa.URL:
    if "://" not in where:
        return sa.URL.create("sqlite", database=where)
    try:
        url = sa.make_url(where)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise _unknown(where) from error
    if url.drivername == "sqlite" and url.database:
        return url
    if url.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    raise _unknown(url.render_as_string(hide_password=True))


def _unknown(where: str) -> InputError:
    return InputError(
        "Expected a file, or a URL such as postgresql://user@host/name, for --store. Received: "
        f"{as_shown(where)}."
    )


def _databases(url: sa.URL) -> tuple[sa.Engine, sa.Engine]:
    """For reading and for writing."""
    if url.drivername != "sqlite":
        try:
            database = sa.create_engine(url, pool_pre_ping=True, pool_size=8)
        except ImportError as error:
            raise InputError(
                "Expected psycopg, to store in PostgreSQL. Received: none. Install it: pip install "
                "'psycopg[binary]'."
            ) from error
        return database, database
    pathlib.Path(str(url.database)).resolve().parent.mkdir(parents=True, exist_ok=True)
    made = []
    for begin in ("BEGIN", "BEGIN IMMEDIATE"):
        database = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})
        sa.event.listen(database, "connect", _set_up)
        sa.event.listen(database, "begin", _beginner(begin))
        made.append(database)
    return made[0], made[1]


def _set_up(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says so
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # a commit is on disk when it returns
        "foreign_keys = ON",
        "secure_delete = ON",  # what was forgotten is overwritten
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _beginner(statement: str) -> Any:
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(statement)

    return begin


__all__ = ["BUSY_SECONDS", "Store", "StoreError"]
