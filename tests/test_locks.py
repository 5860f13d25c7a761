"""What one process is at work on, no other touches; locks of dead processes hold nobody up."""

import contextlib
import logging
import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

from drrec import locks
from drrec.errors import InputError
from drrec.locks import held

HOLDER = """
import sys
from drrec.locks import held
with held(sys.argv[1], "it"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def another(path):
    """Another process that holds `path`; give it a kill, or it ends with the body."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout.readline() == b"held\n"
        yield process


def test_a_second_is_refused_in_one_line_and_the_first_leaves_nothing(tmp_path):
    with (
        held(tmp_path / "run", "run first"),
        pytest.raises(InputError, match="run first to be of no other process") as refused,
        held(tmp_path / "run", "run first"),
    ):
        pass
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())
    with held(tmp_path / "run", "run first"), held(tmp_path / "other", "run other"):
        pass
    assert not list(tmp_path.iterdir())


def test_another_process_is_kept_out_until_it_is_killed(tmp_path):
    with another(tmp_path / "run") as process:
        with pytest.raises(InputError, match="no other process"), held(tmp_path / "run", "it"):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (tmp_path / ".locks" / "run.lock").exists()
        with held(tmp_path / "run", "it"):
            pass
    assert not list(tmp_path.iterdir())


def test_who_waits_says_so_and_has_it_after_the_other(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(locks, "PATIENCE", 0.05)
    caplog.set_level(logging.INFO)
    order, is_said = [], threading.Event()
    monkeypatch.setattr(locks.logger, "info", lambda *words: (order.append("said"), is_said.set()))

    def second():
        with held(tmp_path / "file", "it", wait=True):
            order.append("second")

    thread = threading.Thread(target=second)
    with held(tmp_path / "file", "it"):
        thread.start()
        assert is_said.wait(60)
        order.append("first")
    thread.join()
    assert order == ["said", "first", "second"]


def count_up(path, times):
    for _ in range(times):
        with held(path, "the count", wait=True):
            path.write_text(str(int(path.read_text()) + 1))


def test_no_count_is_lost_though_lock_files_come_and_go(tmp_path):
    """The file is removed while others wait for it: who gets the removed one must not go on."""
    path = tmp_path / "count"
    path.write_text("0")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=count_up, args=(path, 40)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert path.read_text() == "160"
    assert [each.name for each in tmp_path.iterdir()] == ["count"]


def test_a_folder_that_goes_while_it_is_made_is_made_again(tmp_path, monkeypatch):
    original, calls = pathlib.Path.mkdir, []

    def mkdir(self, *arguments, **settings):
        calls.append(self)
        if len(calls) == 1:
            raise FileExistsError(17, "File exists", str(self))
        return original(self, *arguments, **settings)

    monkeypatch.setattr(pathlib.Path, "mkdir", mkdir)
    with held(tmp_path / "a", "a"):
        assert len(calls) >= 2


def test_a_file_where_the_folder_of_locks_should_be_is_no_endless_wait(tmp_path):
    (tmp_path / ".locks").write_text("")
    with pytest.raises(OSError, match=r"\.locks"), held(tmp_path / "a", "a"):
        pass
