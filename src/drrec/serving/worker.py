"""A worker's process: its job comes on standard input, whose end is the end of its supervisor."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading

from drrec.errors import InputError, escaped
from drrec.limits import Limits, hold
from drrec.serving.server import Job, serve_here


def main() -> int:
    """Serve on the socket that is inherited; the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    line = sys.stdin.buffer.readline()
    given = json.loads(line)
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    listening = socket.socket(fileno=given["socket"])

    def ready(_: object) -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    job = Job.from_json(given["job"])
    hold(Limits(**job.limits))
    try:
        serve_here(job, listening, ready)
    except InputError as error:
        sys.stderr.write(escaped(str(error)) + "\n")
        return 2
    return 0


def _end_with_supervisor() -> None:
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
