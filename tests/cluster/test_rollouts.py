"""Rollout workers on a cluster: the same training, though one of them and a machine are killed."""

import dataclasses
import functools
import threading

import pytest
import tensorflow as tf
from tests.agents.tiny import small_config, write_csv
from tests.cluster import work
from tests.cluster.test_training import assert_same_models

from drrec.agents import ddpg, training
from drrec.errors import InputError
from drrec.experiment.run import Run
from drrec.experiment.task import Task
from drrec.experiment.train import train_run

STEPS = 64


@pytest.fixture(scope="module", autouse=True)
def _quickly():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ddpg, "_ROUND", 8)
        patch.setattr(training, "_CHUNK_STEPS", 8)
        tf.config.run_functions_eagerly(True)
        yield
        tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def noted(tmp_path_factory):
    return tmp_path_factory.mktemp("noted") / "rounds"


@pytest.fixture(scope="module")
def cluster(machines, noted):
    with (
        machines.of(1, 1),
        machines.connected(functools.partial(work.playing, str(noted))) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def config(tiny_interactions, tmp_path_factory):
    path = write_csv(tiny_interactions, tmp_path_factory.mktemp("world") / "log.csv")
    return small_config(path, steps=STEPS, seed=3, rollout_workers=2)


@pytest.fixture(scope="module")
def judged(config, tmp_path_factory):
    return Task.load(config, tmp_path_factory.mktemp("data"))


def trained(folder, config, judged, cluster):
    run = Run(folder, "r")
    run.begin(config)
    assert train_run(run, config, judged, None, cluster)
    return run


@pytest.fixture(scope="module")
def whole(config, judged, cluster, tmp_path_factory):
    """A run that nobody disturbs."""
    return trained(tmp_path_factory.mktemp("whole"), config, judged, cluster)


def test_a_training_is_the_same_though_a_worker_and_a_machine_die(
    cluster, machines, noted, config, judged, whole, tmp_path
):
    begun = len(work.lines_of(noted))

    def kill():
        work.until(lambda: len(work.lines_of(noted)) > begun + 4)
        work.kill(work.lines_of(noted)[-1])
        work.until(lambda: len(work.lines_of(noted)) > begun + 8)
        machines.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    run = trained(tmp_path, config, judged, cluster)
    thread.join()
    assert len({*work.lines_of(noted)[begun:]}) >= 3  # processes, of two workers
    assert_same_models(run, whole, ["r"])


def test_too_little_room_is_said_in_one_line(cluster, config, judged, tmp_path):
    asked = dataclasses.replace(config, rollout_workers=4)
    run = Run(tmp_path, "r")
    run.begin(asked)
    with pytest.raises(InputError, match=r"room for 4, each a rollout worker\. Received: room for"):
        train_run(run, asked, judged, None, cluster)
