"""Real servers, as `drrec serve` starts them."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[2]


class Server:
    """A server's process, and how to ask it."""

    def __init__(self, run: pathlib.Path, store: pathlib.Path | str, *flags: str, **variables):
        command = [sys.executable, "-m", "drrec", "serve", "--run", str(run), "--port", "0"]
        self.process = subprocess.Popen(
            [*command, "--store", str(store), *flags],
            stderr=subprocess.PIPE,
            text=True,
            cwd=pathlib.Path(run).parent,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")} | variables,
            start_new_session=True,
        )
        self.said = []
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(r" at http://127\.0\.0\.1:(\d+),", line):
                self.port = int(found[1])
                return
        self.process.wait()
        raise AssertionError(f"it did not begin: {self.said}")

    def ask(self, path: str, body: Any = None, method: str | None = None) -> tuple[int, Any]:
        """Status and JSON of a request on a connection of its own."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data,
            {"content-type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def workers(self) -> list[int]:
        """Process ids of the children."""
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        return [int(each) for each in children.split()]

    def kill(self) -> None:
        """End it and its workers as a power loss would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stderr.close()

    def stop(self) -> int:
        """End it by SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        self.said += self.process.stderr.readlines()
        return self.process.wait()


@contextlib.contextmanager
def serving(run: pathlib.Path, store: pathlib.Path | str, *flags: str, **variables) -> Iterator:
    server = Server(run, store, *flags, **variables)
    try:
        yield server
    finally:
        server.kill()
