"""One training over several processes of a cluster: the same though they are killed.

What they do is tested without a cluster in `tests/agents`; here each process loads TensorFlow
several times, so these tests run where `DRREC_TEST_RAY` is set.
"""

import dataclasses
import functools
import os
import threading

import pytest
from tests.agents.tiny import small_config, write_csv
from tests.brief import eagerly
from tests.cluster import work
from tests.cluster.test_training import assert_same_models

from drrec.agents import ddpg, training
from drrec.errors import InputError
from drrec.experiment.run import Run
from drrec.experiment.task import Task
from drrec.experiment.train import train_run

pytestmark = pytest.mark.skipif("DRREC_TEST_RAY" not in os.environ, reason="DRREC_TEST_RAY")

STEPS = 64


@pytest.fixture(scope="module", autouse=True)
def _quickly():
    with eagerly((ddpg, "_ROUND", 8), (training, "_CHUNK_STEPS", 8)):
        yield


@pytest.fixture(scope="module")
def noted(tmp_path_factory):
    return tmp_path_factory.mktemp("noted") / "rounds"


@pytest.fixture(scope="module", autouse=True)
def _two_machines(machines):
    with machines.of(1, 1):
        yield


@pytest.fixture(scope="module")
def config(tiny_interactions, tmp_path_factory):
    path = write_csv(tiny_interactions, tmp_path_factory.mktemp("world") / "log.csv")
    return small_config(path, steps=STEPS, seed=3)


@pytest.fixture(scope="module")
def judged(config, tmp_path_factory):
    return Task.load(config, tmp_path_factory.mktemp("data"))


def trained(folder, config, judged, cluster):
    run = Run(folder, "r")
    run.begin(config)
    assert train_run(run, config, judged, None, cluster)
    return run


def disturbed(folder, config, judged, cluster, noted, kill):
    """A run with a `kill` after the second of its eight rounds."""
    begun = len(work.lines_of(noted))

    def killing():
        work.until(lambda: len(work.lines_of(noted)) > begun + 4)
        kill()

    thread = threading.Thread(target=killing)
    thread.start()
    run = trained(folder, config, judged, cluster)
    thread.join()
    assert len({*work.lines_of(noted)[begun:]}) >= 3  # processes, for two
    return run


@pytest.mark.parametrize(
    ("spread", "begin"),
    [({"data_parallel": 2}, work.joining), ({"rollout_workers": 2}, work.playing)],
    ids=["data_parallel", "rollout_workers"],
)
def test_a_training_is_the_same_though_a_process_or_a_machine_is_killed(
    machines, noted, config, judged, tmp_path, spread, begin
):
    config = dataclasses.replace(config, **spread)
    with machines.connected(functools.partial(begin, str(noted))) as cluster:
        whole = trained(tmp_path / "whole", config, judged, cluster)
        rest = (config, judged, cluster, noted)
        run = disturbed(tmp_path / "killed", *rest, lambda: work.kill(work.lines_of(noted)[-1]))
        assert_same_models(run, whole, ["r"])
        if begin == work.playing:
            run = disturbed(tmp_path / "less", *rest, machines.kill)
            assert_same_models(run, whole, ["r"])


def test_too_little_room_is_said_in_one_line(machines, config, judged, tmp_path):
    asked = dataclasses.replace(config, rollout_workers=4)
    run = Run(tmp_path, "r")
    run.begin(asked)
    words = r"room for 4, each a rollout worker\. Received: room for"
    with machines.connected() as cluster, pytest.raises(InputError, match=words):
        train_run(run, asked, judged, None, cluster)
