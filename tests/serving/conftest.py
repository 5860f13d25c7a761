"""Stores of both kinds."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from tests.serving import postgres

from drrec.serving.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture
def new_database(postgres_server: str) -> str:
    """The URL of an empty database."""
    import psycopg

    name = f"drrec_{secrets.token_hex(6)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres_server.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path) -> str:
    """Where a store may be made."""
    if request.param == "sqlite":
        return str(tmp_path / "folder" / "store.db")
    return request.getfixturevalue("new_database")


@pytest.fixture
def store(where: str) -> Iterator[Store]:
    store = Store.open(where)
    yield store
    store.close()
