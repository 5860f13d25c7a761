"""Calls on a cluster: all are answered once, killed ones are made up for, errors are one line."""

import os
import pathlib
import signal
import threading

import numpy as np
import pytest
from tests.cluster import work

from drrec.cluster import tasks
from drrec.cluster.config import RayConfig
from drrec.cluster.session import connected
from drrec.errors import InputError
from drrec.limits import limited


@pytest.fixture(scope="module")
def two(machines):
    with machines.of(1, 1):
        yield machines


def test_a_worker_needs_room(two):
    with pytest.raises(InputError, match=r"2 cores .*whose largest has 1\."):  # noqa: SIM117
        with two.connected(ray_cores=2):
            pass


def test_a_cluster_that_is_not_there_is_said(machines):
    with pytest.raises(InputError, match=r"Expected a Ray cluster at --ray '127\.0\.0\.1:1'"):  # noqa: SIM117
        with connected(RayConfig(ray="127.0.0.1:1")):
            pass


def test_without_the_flag_there_is_none():
    with connected(RayConfig()) as cluster:
        assert cluster is None


@pytest.fixture(scope="module")
def cluster(two):
    with limited(max_dim=7), two.connected() as cluster:
        yield cluster


def test_every_call_is_answered_with_its_number(cluster):
    assert cluster.workers == 2
    found = dict(cluster.results(work.square, [(number,) for number in range(5)], "a square"))
    assert found == {number: number**2 for number in range(5)}


def test_what_is_shared_stands_for_its_value(cluster):
    array = cluster.shared(np.arange(1e5))
    found = dict(cluster.results(work.total, [(array, 1.0), (array, 2.0)], "a sum"))
    assert found == {0: (4999950001.0, False), 1: (4999950002.0, False)}


def test_workers_have_the_drivers_limits_and_as_many_threads(cluster):
    (_, found), *_ = cluster.results(work.surroundings, [("TF_NUM_INTRAOP_THREADS",)], "a look")
    assert found == (7, str(len(os.sched_getaffinity(0))))


def test_an_input_error_comes_back_as_it_was(cluster):
    with pytest.raises(InputError, match=r"^Expected another number\. Received: 2\.$"):
        dict(cluster.results(work.refusing, [(2,)], "a call"))


def test_warnings_of_workers_are_the_drivers(cluster, caplog):
    dict(cluster.results(work.warning, [("out",)], "a call"))
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", "watch out")
    ]


def test_a_bug_keeps_its_traceback(cluster):
    with pytest.raises(ZeroDivisionError, match="in failing"):
        dict(cluster.results(work.failing, [(1,)], "a call"))


def test_a_call_whose_worker_is_killed_is_made_again(cluster, tmp_path):
    path = str(tmp_path / "calls")
    found = dict(cluster.results(work.dying, [(path, 1, 2), (path, 2, 0)], "a call"))
    assert found == {0: 1, 1: 2}
    assert sorted(work.lines_of(path)) == ["1", "1", "1", "2"]


def test_a_worker_that_is_killed_ever_again_is_said_in_one_line(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "MOST_RETRIES", 1)
    path = str(tmp_path / "calls")
    with pytest.raises(InputError, match=r"Expected a call to end\. Received: .* killed 2 times"):
        dict(cluster.results(work.dying, [(path, 1, 9)], "a call"))
    assert work.lines_of(path) == ["1", "1"]


def test_ctrl_c_ends_what_workers_are_at(cluster, tmp_path):
    path = tmp_path / "calls"
    begun, ended = {"begun-1", "begun-2"}, {"interrupted-1", "interrupted-2"}

    def ctrl_c():
        work.until(lambda: begun <= set(work.lines_of(path)))
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=ctrl_c).start()
    with pytest.raises(KeyboardInterrupt):
        dict(cluster.results(work.waiting, [(str(path), each) for each in (1, 2, 3)], "a call"))
    assert set(work.lines_of(path)) == begun | ended


def test_calls_of_a_machine_that_dies_are_made_again_on_another(cluster, machines, tmp_path):
    path = tmp_path / "calls"

    def exchange():
        work.until(lambda: len(work.lines_of(path)) == 2)
        machines.kill()
        pathlib.Path(f"{path}.end").touch()

    thread = threading.Thread(target=exchange)
    thread.start()
    calls = [(str(path), each) for each in (1, 2)]
    assert dict(cluster.results(work.waiting, calls, "a call")) == {0: 1, 1: 2}
    thread.join()
    assert len(work.lines_of(path)) == 3
