"""What stands before the application: limits, the token, faults without a traceback."""

import asyncio
import threading

import pytest
from starlette.testclient import TestClient
from tests.serving.test_routes import refusal

from drrec.serving.app import application
from drrec.serving.config import ServeConfig
from drrec.serving.guard import Guard
from drrec.serving.metrics import Metrics

URL = "/v1/users/ann/recommendations"


async def asked(app, path="/v1/models", chunks=(), headers=(), wait=0.0):
    """Status, headers and body of one request whose body comes in chunks."""
    given = iter(chunks)
    sent = []

    async def receive():
        await asyncio.sleep(wait)
        body = next(given, None)
        if body is None:
            await asyncio.sleep(3600)
        return {"type": "http.request", "body": body, "more_body": True}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST" if chunks else "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"testserver"), *headers],
    }
    await app(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def guarded(app, token=None, **settings):
    return Guard(app, ServeConfig(**{"hosts": "testserver"} | settings), Metrics(), token)


async def said(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"whole"})


def test_more_requests_than_may_wait_are_refused_and_health_is_not():
    async def run():
        go = asyncio.Event()

        async def slow(scope, receive, send):
            if scope["path"] != "/healthz":
                await go.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        app = guarded(slow, max_waiting=2)
        waiting = [asyncio.create_task(asked(app)) for _ in range(2)]
        await asyncio.sleep(0)
        status, headers, body = await asked(app)
        assert (status, headers[b"retry-after"]) == (429, b"1")
        assert b"Try again" in body
        assert (await asked(app, "/healthz"))[0] == 200
        go.set()
        assert [(await each)[0] for each in waiting] == [200, 200]
        assert (await asked(app))[0] == 200

    asyncio.run(run())


def test_a_body_is_refused_by_its_length_before_it_is_read():
    async def run():
        app = guarded(said, max_body=1024)
        status, headers, _ = await asked(app, headers=[(b"content-length", b"1025")])
        assert (status, headers[b"connection"]) == (413, b"close")
        assert (await asked(app, headers=[(b"content-length", b"1e3")]))[0] == 413

    asyncio.run(run())


def test_a_body_in_pieces_is_refused_once_it_is_too_long(make_service):
    async def run():
        app = application(make_service(max_body=1024))
        taken = []

        def pieces():
            for number in range(1_000_000):
                taken.append(number)
                yield b"x" * 100

        kind = (b"content-type", b"application/json")
        status, headers, body = await asked(app, "/v1/recommendations", pieces(), [kind])
        assert (status, headers[b"connection"]) == (413, b"close")
        assert b"at most 1,024 bytes" in body
        assert len(taken) == 11

    asyncio.run(run())


def test_a_body_that_takes_too_long_is_refused(make_service):
    async def run():
        app = application(make_service(body_seconds=0.05))
        kind = (b"content-type", b"application/json")
        status, headers, body = await asked(app, "/v1/recommendations", [b"{"], [kind])
        assert (status, headers[b"connection"]) == (408, b"close")
        assert b"within 0.05 s" in body

    asyncio.run(run())


def test_an_answer_that_takes_too_long_is_given_up():
    async def never(scope, receive, send):
        await asyncio.sleep(3600)

    async def run():
        app = guarded(never, answer_seconds=0.02, body_seconds=0.01)
        status, headers, _ = await asked(app)
        assert (status, headers[b"retry-after"]) == (503, b"1")

    asyncio.run(run())


@pytest.mark.parametrize(
    "given",
    [None, "", "Bearer", "Bearer wrong", "Basic secret", "secret", "Bearer sécret", "Bearer secre"],
)
def test_without_the_token_nothing_is_told(make_service, given):
    with TestClient(application(make_service(), "secret")) as client:
        headers = {} if given is None else {"authorization": given.encode()}
        for path in (URL, "/metrics", "/docs", "/openapi.json", "/v1/models"):
            response = client.get(path, headers=headers)
            assert "DRREC_TOKEN" in refusal(response, 401)
            assert response.headers["www-authenticate"] == "Bearer"
        assert client.get("/healthz", headers=headers).status_code == 200
        for word in ("Bearer", "bearer"):
            right = {"authorization": f"{word} secret"}
            assert client.get(URL, headers=right).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "testserver.evil", ""])
def test_another_name_than_the_servers_is_refused(client, host):
    """A page of another host that gives its name to this machine's address is told nothing."""
    refusal(client.get(URL, headers={"host": host}), 421)
    assert client.get(URL, headers={"host": "testserver:8000"}).status_code == 200


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False)],
)
def test_only_a_loopback_address_knows_its_names(host, allowed):
    names = ServeConfig(host=host).allowed_hosts
    assert (names is not None and {"localhost", "127.0.0.1", "::1"} <= names) == allowed


def test_a_fault_is_told_without_a_traceback(make_service):
    service = make_service()

    def break_down(queries, k):
        raise RuntimeError("secret words")

    with TestClient(application(service), raise_server_exceptions=False) as client:
        service.models.served[0].engine.recommend = break_down
        line = refusal(client.get(URL), 500)
        assert "secret" not in line
        assert client.get("/healthz").status_code == 200


def test_every_answer_says_what_a_browser_may_do(client):
    for path, status in ((URL, 200), ("/nothing", 404), ("/docs", 200)):
        response = client.get(path)
        assert response.status_code == status
        assert response.headers["content-security-policy"].startswith("default-src 'self'")
        assert response.headers["x-content-type-options"] == "nosniff"


def test_requests_that_wait_are_counted(make_service):
    service = make_service()
    engine = service.models.served[0].engine
    go, began, plain = threading.Event(), threading.Event(), engine.recommend

    def slow(queries, k):
        began.set()
        assert go.wait(10)
        return plain(queries, k)

    engine.recommend = slow
    with TestClient(application(service)) as client:
        thread = threading.Thread(target=client.get, args=(URL,))
        thread.start()
        assert began.wait(10)
        assert "drrec_requests_in_flight 1.0" in client.get("/metrics").text
        go.set()
        thread.join()
        assert "drrec_requests_in_flight 0.0" in client.get("/metrics").text
