"""Replicas of the server: they share a store, are begun anew, and take up newer runs.

Ray Serve takes half a minute of processor time to begin, so these tests run where `DRREC_TEST_RAY`
is set.
"""

import collections
import contextlib
import os
import pathlib
import signal
import socket

import pytest
from tests.cluster import work
from tests.serving.load import event_of, stored_in
from tests.serving.processes import serving

from drrec.baselines.knn import ItemKNN
from drrec.baselines.popularity import Popularity

pytestmark = pytest.mark.skipif("DRREC_TEST_RAY" not in os.environ, reason="DRREC_TEST_RAY")


def replicas():
    """Process ids of the replicas."""
    found = set()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"ServeReplica" in (process / "cmdline").read_bytes():
                found.add(int(process.name))
    return found


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def labels(server):
    """The models that several requests find."""
    return {server.ask("/v1/models")[1]["models"][0]["model"] for _ in range(8)}


def test_two_replicas_serve_one_store_and_a_newer_run(machines, tiny_dataset, tmp_path):
    run, store, before = tmp_path / "knn.drrec", tmp_path / "store.db", replicas()
    ItemKNN().fit(tiny_dataset).save(run)
    flags = ["--ray", machines.address, "--replicas", "2", "--port", str(free_port())]
    with machines.of(2), serving(run, store, *flags, "--watch", "0.2") as server:
        assert len(replicas() - before) == 2
        session = server.ask("/v1/sessions", {})[1]["session"]
        url, names = f"/v1/sessions/{session}/feedback", [f"event-{n}" for n in range(40)]
        for number, name in enumerate(names):
            if number == 10:
                os.kill(min(replicas() - before), signal.SIGKILL)
            while (status := server.ask(url, event_of(name))[0]) != 200:
                assert status >= 500  # it was with the one that died
        assert stored_in(server, [session]) == collections.Counter((session, n) for n in names)
        work.until(lambda: len(replicas() - before) == 2)
        [old] = labels(server)
        Popularity().fit(tiny_dataset).save(run)
        work.until(lambda: old not in labels(server))
        assert server.stop() == 0
        work.until(lambda: replicas() <= before)
