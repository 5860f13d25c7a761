"""Real servers: killed, stopped, with several workers, and with clients that mean no good."""

import collections
import contextlib
import os
import signal
import socket

import pytest
from tests.serving.load import Load, event_of, stored_in
from tests.serving.processes import serving

from drrec import cli
from drrec.baselines.knn import ItemKNN
from drrec.baselines.popularity import Popularity

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs Linux's /proc")


@pytest.fixture
def run(tiny_dataset, tmp_path):
    path = tmp_path / "knn.drrec"
    ItemKNN().fit(tiny_dataset).save(path)
    return path


@pytest.mark.parametrize("workers", [1, 2])
def test_a_kill_loses_no_feedback_that_was_acknowledged_and_doubles_none(run, tmp_path, workers):
    store = tmp_path / "store.db"
    flags = ["--workers", str(workers)]
    acknowledged, sent = set(), set()
    with serving(run, store, *flags) as server:
        sessions = [server.ask("/v1/sessions", {})[1]["session"] for _ in range(4)]
        for _ in range(3 - workers):
            load = Load(server, sessions, enough=60)
            assert load.has_enough.wait(60), load.odd
            server.kill()
            load.join()
            assert load.odd == []
            acknowledged |= load.acknowledged
            sent |= load.sent
            server.__init__(run, store, *flags)
            found = stored_in(server, sessions)
            assert acknowledged <= set(found) <= sent
            assert set(found.values()) == {1}
            for session, name in load.sent:  # sent again, each is there once
                url = f"/v1/sessions/{session}/feedback"
                assert server.ask(url, event_of(name))[0] == 200
            assert stored_in(server, sessions) == collections.Counter(sent)
            acknowledged |= load.sent


def test_what_a_killed_supervisor_left_is_swept_and_what_runs_is_not(run, tmp_path):
    flags = ["--workers", "2"]
    with serving(run, tmp_path / "a.db", *flags, TMPDIR=str(tmp_path)) as killed:
        (left,) = tmp_path.glob("drrec-metrics-*")
        killed.kill()
    assert left.is_dir()
    (tmp_path / "drrec-metrics-file").touch()
    with serving(run, tmp_path / "b.db", *flags, TMPDIR=str(tmp_path)) as first:
        (kept,) = {each for each in tmp_path.glob("drrec-metrics-*") if each.is_dir()}
        assert kept != left
        with serving(run, tmp_path / "c.db", *flags, TMPDIR=str(tmp_path)) as second:
            assert kept.is_dir()
            assert second.stop() == 0
        assert "drrec_requests" in metrics_of(first)
        assert first.stop() == 0
    assert [each.name for each in tmp_path.glob("drrec-metrics-*")] == ["drrec-metrics-file"]


def test_sigterm_answers_and_stores_what_was_accepted(run, tmp_path):
    body = b'{"event": "1", "item": "i00", "feedback": "like"}'
    with serving(run, tmp_path / "store.db") as server:
        session = server.ask("/v1/sessions", {})[1]["session"]
        head = (
            f"POST /v1/sessions/{session}/feedback HTTP/1.1\r\nhost: localhost\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        with server.connected() as connection:
            connection.sendall(head.encode() + body[:10])
            while "drrec_requests_in_flight 1.0" not in metrics_of(server):
                pass
            server.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(OSError):  # until nothing new is accepted
                while True:
                    server.connected().close()
            connection.sendall(body[10:])
            answer = connection.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 200")
        assert b'"stored"' in answer
        assert server.process.wait() == 0
    with serving(run, tmp_path / "store.db") as server:
        assert stored_in(server, [session]) == {(session, "1"): 1}


def metrics_of(server):
    with server.connected() as connection:
        connection.sendall(b"GET /metrics HTTP/1.0\r\nhost: localhost\r\n\r\n")
        return connection.makefile("rb").read().decode()


def test_workers_share_a_store_are_replaced_and_load_a_newer_run(run, tmp_path, tiny_dataset):
    with serving(run, tmp_path / "store.db", "--workers", "2", "--watch", "0") as server:
        first = server.workers()
        assert len(first) == 2
        session = server.ask("/v1/sessions", {"user": "u00"})[1]["session"]
        seen = []
        for number in range(20):  # of connections that either worker may take
            _, told = server.ask(f"/v1/sessions/{session}/next?k=2")
            items = [each["item"] for each in told["items"]]
            assert told["turn"] == number + 1
            seen += items
            event = {"event": str(number), "item": items[0], "feedback": "like"} if items else None
            if event:
                assert server.ask(f"/v1/sessions/{session}/feedback", event)[0] == 200
        assert len(seen) == len(set(seen)) > 30
        os.kill(first[0], signal.SIGKILL)
        while first[0] in server.workers() or len(server.workers()) < 2:
            assert server.process.poll() is None
        assert server.ask("/readyz")[0] == 200
        Popularity().fit(tiny_dataset).save(run)
        old, new = None, {"algorithm": "popularity"}
        while "ended with -9" not in "".join(server.said):
            server.said.append(server.process.stderr.readline())
        server.process.send_signal(signal.SIGHUP)
        lines = ""
        while lines.count("in place of") < 1:
            lines += server.process.stderr.readline()
        while old != new["algorithm"]:
            old = server.ask("/v1/models")[1]["models"][0]["algorithm"]
        assert server.stop() == 0


def test_workers_end_with_their_supervisor(run, tmp_path):
    with serving(run, tmp_path / "store.db", "--workers", "2") as server:
        workers = server.workers()
        server.process.kill()
        server.process.wait()
        while any(os.path.isdir(f"/proc/{each}") for each in workers):
            pass
        with pytest.raises(ConnectionRefusedError):
            server.connected()


def test_clients_that_send_slowly_too_much_or_nonsense_cost_only_themselves(run, tmp_path):
    flags = ["--header-seconds", "0.3", "--body-seconds", "0.3", "--max-body", "2048"]
    with serving(run, tmp_path / "store.db", *flags) as server:
        idle = [server.connected() for _ in range(50)]
        for each in idle[:25]:
            each.sendall(b"GET /healthz HTTP/1.1\r\nhost: local")
        assert server.ask("/healthz")[0] == 200
        for each in idle:
            assert each.recv(100) == b""  # closed by the server
            each.close()

        def answered(words: bytes) -> bytes:
            with server.connected() as connection, contextlib.suppress(ConnectionError):
                connection.sendall(words)
                return connection.makefile("rb").read()
            return b""

        post = (
            b"POST /v1/sessions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        )
        assert b" 408 " in answered(post + b"content-length: 9\r\n\r\n{")
        assert b" 413 " in answered(post + b"content-length: 1073741824\r\n\r\n{")
        chunk = b"400\r\n" + b" " * 1024 + b"\r\n"
        assert b" 413 " in answered(post + b"transfer-encoding: chunked\r\n\r\n" + chunk * 3)
        assert b" 400 " in answered(b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 70_000)
        assert b" 400 " in answered(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert b" 421 " in answered(
            b"GET /v1/models HTTP/1.1\r\nhost: evil\r\nconnection: close\r\n\r\n"
        )
        assert server.ask("/v1/users/u00/recommendations?k=1")[0] == 200
        assert "Traceback" not in "".join(server.said)
        assert server.stop() == 0
        assert "Traceback" not in "".join(server.said)


def test_a_token_is_asked_for_where_the_variable_has_one(run, tmp_path):
    with serving(run, tmp_path / "store.db", DRREC_TOKEN="secret") as server:
        assert server.ask("/v1/models")[0] == 401
        assert server.ask("/healthz")[0] == 200


@pytest.fixture
def refused(run, capfd, monkeypatch):
    """What is said when the command refuses to serve, by the process itself or by its workers."""
    monkeypatch.chdir(run.parent)

    def lines(run, *flags):
        capfd.readouterr()
        assert cli.run(*cli.STAGES, argv=["serve", "--run", str(run), *flags]) == 2
        said = capfd.readouterr()
        assert said.out == ""
        return said.err.splitlines()

    return lines


def test_what_cannot_be_served_is_refused_in_one_line(run, refused, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        [line] = refused(run, "--port", str(taken.getsockname()[1]))
        assert "--port" in line
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"not a store" * 1_000)
    for workers in ("1", "2"):
        [line] = refused(run, "--port", "0", "--store", str(broken), "--workers", workers)
        assert "not a database" in line
    [line] = refused(run, "--port", "0", "--share", "2")
    assert "`share` must be in [0, 1]" in line
    half = tmp_path / "half.drrec"
    half.write_bytes(run.read_bytes()[:2_000])
    [line] = refused(half, "--port", "0")
    assert "Expected" in line
    lines = refused(half, "--port", "0", "--workers", "2")
    assert lines[-1].startswith("Expected workers that begin")
    assert len(lines) <= 3
