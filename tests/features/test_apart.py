"""The process that extracts ends with the one that began it, however that ends."""

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from drrec.errors import InputError
from drrec.features.apart import run_apart

ROOT = pathlib.Path(__file__).parents[2]

DRIVER = """
import pathlib, sys
from tests.features.test_apart import steps
from drrec.features.apart import run_apart
if __name__ == "__main__":
    run_apart(steps, pathlib.Path(sys.argv[1]))
"""


def steps(folder):
    """Works for ever; what it has open it puts away."""
    (folder / "pid.part").write_text(str(os.getpid()))
    (folder / "pid.part").rename(folder / "pid")
    try:
        while True:
            time.sleep(0.01)
    finally:
        (folder / "put away").write_text("")


def answer(word):
    if word == "refuse":
        raise InputError("Expected less. Received: more.")
    if word == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return word


def wait_for(condition):
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z (zombie)" not in pathlib.Path(f"/proc/{pid}/status").read_text()


def test_it_answers_refuses_or_is_said_to_be_killed():
    assert run_apart(answer, "yes") == "yes"
    with pytest.raises(InputError, match="Expected less"):
        run_apart(answer, "refuse")
    with pytest.raises(InputError, match="its process was killed"):
        run_apart(answer, "die")


def test_an_interrupt_here_ends_it_there(tmp_path):
    def interrupt():
        wait_for((tmp_path / "pid").exists)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            run_apart(steps, tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not is_alive(int((tmp_path / "pid").read_text()))
    assert (tmp_path / "put away").exists()


def test_killed_here_it_ends_there_and_puts_away_what_it_has_open(tmp_path):
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    (tmp_path / "driver.py").write_text(DRIVER)
    process = subprocess.Popen([sys.executable, tmp_path / "driver.py", tmp_path], env=environment)
    try:
        wait_for((tmp_path / "pid").exists)
    finally:
        process.kill()
        process.wait()
    wait_for((tmp_path / "put away").exists)
    wait_for(lambda: not is_alive(int((tmp_path / "pid").read_text())))
