"""Stores of both kinds, and services with a tiny model."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient
from tests.serving import pages, postgres
from tests.serving.films import film_runs
from tests.serving.processes import Server, serving
from tests.serving.tiny import TinyEngine

from drrec.errors import InputError
from drrec.serving import models
from drrec.serving.app import application
from drrec.serving.config import ServeConfig
from drrec.serving.server import Job, made_service
from drrec.serving.store import Store

if TYPE_CHECKING:
    import pathlib
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


@pytest.fixture
def tiny_models(monkeypatch):
    """Any file is a model, whose version is what the file says; "broken" cannot be loaded."""

    def load(cls, path, retrieval="auto"):
        version = path.read_text(encoding="utf-8")
        if version == "broken":
            raise InputError(f"Expected a whole model in {path}. Received: half of one.")
        return TinyEngine(version, path.stem)

    monkeypatch.setattr(models.Engine, "load", classmethod(load))


@pytest.fixture
def make_service(tiny_models, tmp_path):
    """Services on one store, which a test may open again."""
    (tmp_path / "run.drrec").write_text("v1", encoding="utf-8")

    def make(where=None, also=None, **settings):
        config = ServeConfig(**{"watch": 0, "hosts": "testserver"} | settings)
        source = models.Source(run=str(tmp_path / "run.drrec"), root=str(tmp_path))
        job = Job(config=config, main=source, also=also, store=where or str(tmp_path / "s.db"))
        return made_service(job)

    return make


@pytest.fixture
def client(make_service) -> Iterator[TestClient]:
    with TestClient(application(make_service())) as client:
        yield client


@pytest.fixture(scope="module")
def films(tiny_interactions, tmp_path_factory) -> pathlib.Path:
    """The folder of a run."""
    return film_runs(tiny_interactions, tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="module")
def films_server(films: pathlib.Path, tmp_path_factory) -> Iterator[Server]:
    """A process that serves it, and another run beside it."""
    flags = ["--runs-dir", str(films.parents[1]), "--also", "rival", "--share", "0"]
    with serving(films, tmp_path_factory.mktemp("store") / "store.db", *flags) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless browser, where there is one."""
    with pages.headless() as browser:
        yield browser


@pytest.fixture
def tabs(browser, films_server) -> Iterator[pages.Tabs]:
    """Tabs in which nothing may go wrong."""
    tabs = pages.Tabs(browser, films_server.port)
    yield tabs
    tabs.close()
    assert tabs.faults == []
