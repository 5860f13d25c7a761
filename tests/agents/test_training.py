"""Training that was stopped goes on as if it had not been: bit for bit, however it was stopped."""

import functools
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from tests.agents.tiny import (
    put_back,
    small_agent,
    small_config,
    values_of,
    without_xla,
    write_csv,
)

from drrec.agents import training
from drrec.agents.checkpoint import checkpoints, named_variables
from drrec.agents.runlog import RunLog, columns
from drrec.experiment.run import Run
from drrec.experiment.task import Task
from drrec.experiment.train import train_run

ROOT = pathlib.Path(__file__).parents[2]
PATHS = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
# As it is before any test loads a device: what a child computes must not depend on their order.
ENVIRONMENT = os.environ | {"PYTHONPATH": PATHS, "TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.fixture(scope="module", autouse=True)
def _soon_traced():
    """Chunks, checkpoints and signals are the same; that XLA's carry on, agents' tests show."""
    with without_xla():
        yield


@pytest.fixture(scope="module")
def compiled(tiny_interactions):
    agent = small_agent(tiny_interactions)
    return agent, values_of(agent)


@pytest.fixture
def agent(compiled, monkeypatch):
    """The compiled agent at its start, to be trained in chunks of 10 iterations."""
    monkeypatch.setattr(training, "_CHUNK_STEPS", 40)
    monkeypatch.setattr(training, "_CHECKPOINT_SECONDS", np.inf)
    made, start = compiled
    put_back(made, start)
    return made


def lose(agent):
    """Forget everything: what training goes on from can only be the checkpoint."""
    for _, variable in named_variables(agent.learner):
        variable.assign(variable - variable)


def trained(agent, steps, folder):
    return training.train(agent, steps, folder / "run", folder / "weights", "test")


def log_of(folder):
    """The columns of `training.csv`, less the one that tells how fast the machine was."""
    found = columns(folder / "run" / "training.csv")
    assert min(found.pop("steps_per_second")) > 0
    return found


def assert_equal(values, expected):
    assert values.keys() == expected.keys()
    for name, value in values.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_trains_to_the_end_and_leaves_log_and_checkpoint(agent, tmp_path):
    assert trained(agent, 120, tmp_path)
    assert agent.steps == 120
    assert [path.name for path in checkpoints(tmp_path / "weights")] == ["step-000000000120.npz"]
    found = log_of(tmp_path)
    assert found["step"] == [40, 80, 120]
    assert all(np.isfinite(values).all() for values in found.values())
    assert -1 <= min(found["reward"]) <= max(found["reward"]) <= 1


def test_steps_are_rounded_up_to_whole_iterations(agent, tmp_path):
    assert trained(agent, 50, tmp_path)
    assert agent.steps == 52


@pytest.mark.parametrize("stopped_at", [80, 52])
def test_going_on_equals_an_uninterrupted_training(agent, compiled, tmp_path, stopped_at):
    trained(agent, 200, tmp_path / "whole")
    expected = values_of(agent)

    put_back(agent, compiled[1])
    trained(agent, stopped_at, tmp_path / "parts")
    lose(agent)
    assert trained(agent, 200, tmp_path / "parts")
    assert_equal(values_of(agent), expected)
    if stopped_at == 80:  # between chunks: then the rows are alike, too
        assert log_of(tmp_path / "parts") == log_of(tmp_path / "whole")


def test_rows_after_the_checkpoint_are_dropped(agent, compiled, tmp_path):
    trained(agent, 200, tmp_path / "whole")
    put_back(agent, compiled[1])
    trained(agent, 80, tmp_path / "killed")
    # Killed at step 160, after rows of 120 and 160 and before their checkpoint.
    with RunLog(tmp_path / "killed" / "run", 80) as log:
        names = list(columns(tmp_path / "whole" / "run" / "training.csv"))[1:]
        for step in (120, 160):
            log.row(step, dict.fromkeys(names, -99.0))
    trained(agent, 200, tmp_path / "killed")
    assert log_of(tmp_path / "killed") == log_of(tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_after_the_chunk_with_a_checkpoint(
    request, agent, compiled, tmp_path, monkeypatch, number
):
    trained(agent, 200, tmp_path / "whole")
    expected = values_of(agent)
    put_back(agent, compiled[1])
    if number == signal.SIGTERM:  # as the command line has it
        request.addfinalizer(functools.partial(signal.signal, number, signal.getsignal(number)))
        signal.signal(number, signal.default_int_handler)
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    plain = RunLog.row

    def row(self, step, values):
        plain(self, step, values)
        if step == 80:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(RunLog, "row", row)
        assert not trained(agent, 200, tmp_path / "stopped")
    assert agent.steps == 80
    assert [path.name for path in checkpoints(tmp_path / "stopped" / "weights")] == [
        "step-000000000080.npz"
    ]
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers

    lose(agent)
    assert trained(agent, 200, tmp_path / "stopped")
    assert_equal(values_of(agent), expected)


def test_a_signal_that_the_program_does_not_hear_is_left_alone(agent, tmp_path, monkeypatch):
    heard, plain = [], RunLog.row

    def row(self, step, values):
        plain(self, step, values)
        heard.append(signal.getsignal(signal.SIGTERM))

    monkeypatch.setattr(RunLog, "row", row)
    trained(agent, 40, tmp_path)
    assert heard == [signal.SIG_DFL]


def test_checkpoints_are_written_on_the_way(agent, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_CHECKPOINT_SECONDS", -1.0)
    saved = []
    plain = training.save_checkpoint
    monkeypatch.setattr(
        training, "save_checkpoint", lambda *given: (saved.append(given[2]), plain(*given))
    )
    trained(agent, 120, tmp_path)
    assert saved == [40, 80, 120, 120]


COMMAND = """
import runpy, sys
from drrec.agents import training
from tests.agents.tiny import without_xla

training._CHUNK_STEPS = 40
program, first, second, *flags = sys.argv[1:]
with without_xla():
    for name in (first, second):
        sys.argv = [program, "--name", name, *flags]
        try:
            runpy.run_path(program, run_name="__main__")
        except SystemExit as ended:
            if name == second:
                raise
            print("ended with", ended.code, file=sys.stderr, flush=True)
"""
"""The program twice in one process, for loading TensorFlow takes its time."""

DRIVER = """
import pathlib
from tests.agents.tiny import without_xla
from drrec.agents import training
from drrec.experiment.config import TrainConfig, from_dict
from drrec.experiment.task import Task
from drrec.experiment.train import train_run
from drrec.experiment.run import Run

training._CHUNK_STEPS, training._CHECKPOINT_SECONDS = 200, -1.0
run = Run.find(pathlib.Path(), "killed")
with without_xla():
    train_run(run, run.config(), Task.load(run.config(), pathlib.Path("data")))
"""


def wait_for(condition, process):
    deadline = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, f"it ended by itself: {process.returncode}"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def learned(run):
    with np.load(checkpoints(run.weights)[-1]) as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_kill_9_and_resume_equals_an_uninterrupted_run(tiny_interactions, tmp_path, monkeypatch):
    path = write_csv(tiny_interactions, tmp_path / "log.csv")
    monkeypatch.chdir(tmp_path)
    config = small_config(path, steps=2_400)
    judged = Task.load(config, tmp_path / "data")
    killed = Run.create(tmp_path, "killed", config)
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER], env=ENVIRONMENT, cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: len(checkpoints(killed.weights)) == 2, process)
    finally:
        process.kill()
        process.wait()
    at = int(learned(killed)["/iteration"])
    assert 0 < at * config.agent.num_envs < config.steps
    (killed.weights / ".step-000000099999.npz.x.part").write_bytes(b"half")  # as a kill may leave

    assert train_run(killed, config, judged)
    whole = Run.create(tmp_path, "whole", config)
    assert train_run(whole, config, judged)
    assert_equal(learned(killed), learned(whole))
    with (
        np.load(killed.folder / "agent.drrec") as one,
        np.load(whole.folder / "agent.drrec") as other,
    ):
        assert_equal(dict(one), dict(other))


@pytest.fixture
def _hears_ctrl_c():
    """Shells have their background jobs ignore it, and so would what a test starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_hears_ctrl_c")
def test_a_signal_to_the_command_writes_a_checkpoint_and_exits_130(tiny_interactions, tmp_path):
    write_csv(tiny_interactions, tmp_path / "log.csv")
    flags = (
        "--dataset log.csv --steps 100000000 --dim-emb 5 --state-size 3 "
        "--episode-length 4 --dim-actor 8 --dim-critic 8 --batch-size 16 --memory-size 128 "
        "--num-envs 4 --held-out 0.4 --gpu -1 --runs-dir . --embedding variational --min-items 5"
    )
    runs = Run(tmp_path, "by_ctrl_c"), Run(tmp_path, "terminated")
    # As a context it closes its pipe even where it ends by itself or takes too long.
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, ROOT / "train.py", *(r.name for r in runs), *flags.split()],
        env=ENVIRONMENT,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            for run, number in zip(runs, (signal.SIGINT, signal.SIGTERM), strict=True):
                wait_for((run.folder / "training.csv").exists, process)
                process.send_signal(number)
            _, said = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in said
    first, second = said.split("ended with 130\n")
    for run, lines in zip(runs, (first, second), strict=True):
        assert f"--resume {run.name}" in lines.splitlines()[-1]
        steps = int(learned(run)["/iteration"]) * 4
        assert steps == columns(run.folder / "training.csv")["step"][-1]
        assert not (run.folder / "agent.drrec").exists()
