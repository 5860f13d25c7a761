"""Measures the HTTP server: the part `serve` of `bash scripts/benchmark.sh`.

The server is a process of its own on 127.0.0.1; the load comes from this one, over connections that
stay open. Each rate stands beside that of an endpoint that does nothing, in the same run.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import gc
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = pathlib.Path(__file__).parents[1]
MOST_SECONDS = 60.0
MOST_WAITING = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class Serving:
    """Requests a second, their latency, and feedback stored, of `drrec serve`."""

    run: str | None = None
    """Run or .drrec file to serve; by default EASE on MovieLens-100K, fitted for this."""
    seconds: float = 3.0
    """How long each load lasts, 60 at most."""
    connections: int = 32
    """Connections that each send the next request when they have the answer."""
    overload: int = 10
    """Connections of the last load, as a multiple of the requests that may wait (64)."""
    overload_seconds: float = 3.0
    """How long the last load lasts, 60 at most."""
    workers: int = 1
    """Processes of the server."""
    json: bool = False
    """Print one JSON object."""


class _Answers(NamedTuple):
    rate: float
    statuses: dict[int, int]
    seconds: list[float]  # latencies of answers with status 200 and 201

    def quantile(self, share: float) -> float:
        """Milliseconds within which a share of the answers came."""
        ordered = sorted(self.seconds)
        return 1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class _Client(asyncio.Protocol):
    """A connection: sends a request, waits for its answer."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(ConnectionError("closed"))

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """The status and the body."""
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._waiting

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end]).lower()
        place = head.find(b"content-length: ")
        stop = head.find(b"\r\n", place)
        length = int(head[place + 16 : stop if stop > 0 else len(head)]) if place > 0 else 0
        if len(self._buffer) < end + 4 + length:
            return
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        del self._buffer[: end + 4 + length]
        if self._waiting and not self._waiting.done():
            self._waiting.set_result((int(head[9:12]), body))


def request(path: str, body: Any = None, method: str | None = None) -> bytes:
    """A request as bytes."""
    data = b"" if body is None else json.dumps(body).encode()
    method = method or ("GET" if body is None else "POST")
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    if body is not None:
        head += f"content-type: application/json\r\ncontent-length: {len(data)}\r\n"
    return f"{head}\r\n".encode() + data


async def _connected(port: int, connections: int) -> list[_Client]:
    loop = asyncio.get_running_loop()
    return [
        (await loop.create_connection(_Client, "127.0.0.1", port))[1] for _ in range(connections)
    ]


async def load(
    port: int, requests: Callable[[int], Iterator[bytes]], connections: int, seconds: float
) -> _Answers:
    """Closed loop: each connection sends its next request when it has the answer.

    Args:
        port: of the server.
        requests: the number of a connection -> its requests.
        connections: how many.
        seconds: how long.
    """
    loop = asyncio.get_running_loop()
    statuses: collections.Counter[int] = collections.Counter()
    taken: list[float] = []
    clients = await _connected(port, connections)
    began = loop.time()
    until = began + min(seconds, MOST_SECONDS)

    async def send(client: _Client, number: int) -> None:
        for each in requests(number):
            sent = loop.time()
            if sent >= until:
                break
            try:
                status, _ = await client.ask(each)
            except ConnectionError:
                statuses[0] += 1
                break
            statuses[status] += 1
            if status < 300:
                taken.append(loop.time() - sent)

    await asyncio.gather(*(send(client, number) for number, client in enumerate(clients)))
    passed = loop.time() - began
    for each in clients:
        each.transport.close()
    good = sum(count for status, count in statuses.items() if 0 < status < 300)
    return _Answers(good / passed, dict(statuses), taken)


async def paced(
    port: int, requests: Iterator[bytes], connections: int, rate: float, seconds: float
) -> _Answers:
    """Open loop: requests leave at a rate, whether answers have come or not.

    Latency counts from the moment at which a request was due.

    Args:
        port: of the server.
        requests: what is sent.
        connections: opened and used once before; where all of them wait, others are opened.
        rate: requests a second.
        seconds: how long.
    """
    loop = asyncio.get_running_loop()
    idle = await _connected(port, connections)
    for client in idle:
        await client.ask(next(requests))
    statuses: collections.Counter[int] = collections.Counter()
    taken: list[float] = []
    running: set[asyncio.Task[None]] = set()
    began = loop.time()

    async def send(words: bytes, due: float) -> None:
        client = idle.pop() if idle else (await _connected(port, 1))[0]
        status, _ = await client.ask(words)
        statuses[status] += 1
        if status < 300:
            taken.append(loop.time() - due)
        idle.append(client)

    for number in range(int(rate * min(seconds, MOST_SECONDS))):
        due = began + number / rate
        if (rest := due - loop.time()) > 0:
            await asyncio.sleep(rest)
        task = asyncio.create_task(send(next(requests), due))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    for each in idle:
        each.transport.close()
    return _Answers(len(taken) / (loop.time() - began), dict(statuses), taken)


class _Server:
    """`drrec serve` on a free port."""

    def __init__(self, run: str, folder: str, *flags: str) -> None:
        began = time.perf_counter()
        command = [sys.executable, "-m", "drrec", "serve", "--run", run, "--port", "0", *flags]
        self.process = subprocess.Popen(
            [*command, "--store", os.path.join(folder, "store.db")],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        )
        self.port = 0
        for line in cast("IO[str]", self.process.stderr):
            if found := re.search(r" at http://127\.0\.0\.1:(\d+),", line):
                self.port = int(found[1])
                break
            sys.stderr.write(line)
        if not self.port:
            raise SystemExit(2)
        self.ready_seconds = time.perf_counter() - began

    def megabytes(self) -> float:
        """Memory that it holds, of the largest worker."""
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        held = []
        for each in [str(pid), *children.split()]:
            status = pathlib.Path(f"/proc/{each}/status").read_text(encoding="ascii")
            held.append(int(status.partition("VmRSS:")[2].split()[0]) / 1024)
        return max(held)

    def processor_seconds(self) -> float:
        """Processor time of the server and its workers so far."""
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        ticks = 0
        for each in [str(pid), *children.split()]:
            fields = pathlib.Path(f"/proc/{each}/stat").read_text(encoding="ascii").rpartition(")")
            ticks += sum(map(int, fields[2].split()[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self) -> int:
        """Its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait()


def _fitted(folder: str) -> str:
    import drrec

    path = os.path.join(folder, "ease.drrec")
    drrec.EASE().fit(drrec.load_dataset("ml-100k")).save(path)
    return path


def measure_serving(options: Serving) -> dict[str, Any]:
    """Start a server, load it, and stop it."""
    import uvloop

    with tempfile.TemporaryDirectory() as folder:
        run = options.run or _fitted(folder)
        flags = ["--workers", str(options.workers), "--max-waiting", str(MOST_WAITING)]
        server = _Server(run, folder, *flags)
        # The load's own collections, of 60 ms, would count as the server's latency.
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            measured = uvloop.run(_measured(server, options))
        finally:
            status = server.stop()
    return measured | {"exit_status": status}


async def _asked(port: int, words: bytes) -> Any:
    client = (await _connected(port, 1))[0]
    _, body = await client.ask(words)
    client.transport.close()
    return json.loads(body)


async def _measured(server: _Server, options: Serving) -> dict[str, Any]:
    port, seconds, connections = server.port, options.seconds, options.connections
    sessions = [
        (await _asked(port, request("/v1/sessions", {"user": str(1 + number % 900)})))["session"]
        for number in range(connections)
    ]

    def nothing(number: int) -> Iterator[bytes]:
        words = request("/healthz")
        while True:
            yield words

    def lists(number: int) -> Iterator[bytes]:
        made = [request(f"/v1/users/{user}/recommendations?k=10") for user in range(1, 901)]
        place = 31 * number
        while True:
            place += 1
            yield made[place % len(made)]

    def feedback(size: int) -> Callable[[int], Iterator[bytes]]:
        def of(number: int) -> Iterator[bytes]:
            path = f"/v1/sessions/{sessions[number]}/feedback"
            turn = 0
            while True:
                turn += 1
                events = [
                    {"event": f"{size}.{turn}.{place}", "item": str(1 + place), "rating": 4}
                    for place in range(size)
                ]
                yield request(path, {"events": events})

        return of

    await load(port, lists, connections, 0.5)  # what is made once is made now
    noop: list[_Answers] = []
    recommended: list[_Answers] = []
    spent: dict[str, list[float]] = {"noop": [], "lists": []}
    generating: dict[str, list[float]] = {"noop": [], "lists": []}
    for _ in range(3):
        for name, asks, found in (("noop", nothing, noop), ("lists", lists, recommended)):
            before, began = server.processor_seconds(), time.process_time()
            answers = await load(port, asks, connections, seconds / 3)
            count = max(1, sum(answers.statuses.values()))
            spent[name].append(1e6 * (server.processor_seconds() - before) / count)
            generating[name].append(1e6 * (time.process_time() - began) / count)
            found.append(answers)
    rate = statistics.median(each.rate for each in noop)
    list_rate = statistics.median(each.rate for each in recommended)
    half_noop = await paced(port, nothing(0), MOST_WAITING, rate / 2, seconds)
    half = await paced(port, lists(0), MOST_WAITING, rate / 2, seconds)
    singles = await load(port, feedback(1), connections, seconds)
    batches = await load(port, feedback(100), min(4, connections), seconds)
    held: list[float] = []
    watching = asyncio.create_task(_watched(server, held))
    many = MOST_WAITING * options.overload * options.workers
    flood = await load(port, lists, many, options.overload_seconds)
    watching.cancel()
    return {
        "ready_seconds": server.ready_seconds,
        "noop_per_second": rate,
        "lists_per_second": list_rate,
        "share_of_noop": list_rate / rate,
        "noop_processor_us": statistics.median(spent["noop"]),
        "list_processor_us": statistics.median(spent["lists"]),
        "share_of_noop_by_processor": statistics.median(spent["noop"])
        / statistics.median(spent["lists"]),
        "generator_noop_us": statistics.median(generating["noop"]),
        "generator_list_us": statistics.median(generating["lists"]),
        "load_average": os.getloadavg()[0],
        "list_p99_ms": statistics.median(each.quantile(0.99) for each in recommended),
        "half_rate_per_second": half.rate,
        "half_rate_noop_p99_ms": half_noop.quantile(0.99),
        "half_rate_p50_ms": half.quantile(0.5),
        "half_rate_p99_ms": half.quantile(0.99),
        "single_feedback_per_second": singles.rate,
        "single_feedback_p99_ms": singles.quantile(0.99),
        "batched_feedback_per_second": 100 * batches.rate,
        "overload_accepted_per_second": flood.rate,
        "overload_accepted_p99_ms": flood.quantile(0.99),
        "overload_statuses": {str(key): flood.statuses[key] for key in sorted(flood.statuses)},
        "overload_p50_ms": flood.quantile(0.5),
        "megabytes": held[0],
        "megabytes_in_overload": max(held),
        "megabytes_after_overload": server.megabytes(),
    }


async def _watched(server: _Server, held: list[float]) -> None:
    """Note its memory once a second."""
    while True:
        held.append(server.megabytes())
        await asyncio.sleep(1)
