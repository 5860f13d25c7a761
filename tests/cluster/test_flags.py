"""`--ray` on the command line: with an address or without, in files of settings, and refused."""

import sys

import pytest
import yaml

from drrec import cli
from drrec.agents.config import DDPGConfig, PPOConfig
from drrec.cluster.config import LOCAL, RayConfig, ReplicaConfig
from drrec.cluster.session import connected
from drrec.errors import InputError
from drrec.experiment.config import TrainConfig
from drrec.experiment.spread import check_cluster

NAMED = {"compare": "compare --name x", "benchmark": "benchmark", "extract": "extract"}
STAGES = NAMED | {"train": "train", "tune": "tune", "serve": "serve"}


@pytest.fixture
def taken(monkeypatch):
    """What stages are called with."""
    taken = []
    for stage in cli.STAGES:
        monkeypatch.setitem(cli.STAGES, stage, lambda given: taken.append(given) or 0)
    return taken


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("flags", "address"),
    [
        ("", None),
        ("--ray", LOCAL),
        ("--ray auto", "auto"),
        ("--ray 10.0.0.1:6379 --ray-workers 3", "10.0.0.1:6379"),
    ],
)
def test_an_address_is_optional(taken, stage, flags, address):
    argv = [*STAGES[stage].split(), *flags.split()]
    assert cli.run(*cli.STAGES, argv=argv) == 0
    assert taken[0].cluster.ray == address
    assert taken[0].cluster.ray_workers == (3 if "--ray-workers" in flags else None)


def test_a_flag_after_it_is_no_address(taken):
    assert cli.run(*cli.STAGES, argv=["train", "--ray", "--steps", "5"]) == 0
    assert (taken[0].cluster.ray, taken[0].train.steps) == (LOCAL, 5)


def test_a_file_of_settings_may_have_it(taken, tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"steps": 5, "cluster": {"ray": "auto", "ray_cores": 2}}))
    assert cli.run(*cli.STAGES, argv=["train", "--config", str(path)]) == 0
    assert taken[0].cluster == RayConfig(ray="auto", ray_cores=2)
    assert taken[0].train.steps == 5


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--ray a b", "Expected --ray [ADDRESS]. Received:"),
        ("--ray-workers 0", "`ray_workers` must be"),
        ("--ray=", "Expected --ray with an address"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(taken, capsys, flags, said):
    assert cli.run(*cli.STAGES, argv=["tune", *flags.split()]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line
    assert taken == []


def test_fewer_replicas_than_the_least_are_refused():
    with pytest.raises(InputError, match="of at least --replicas"):
        ReplicaConfig(replicas=3, most_replicas=2)


def test_without_ray_its_flag_says_how_to_have_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'drrec\[scale\]'"):
        connected(RayConfig(ray=LOCAL)).__enter__()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rollout_workers": 3}, r"`rollout_workers` must divide `num_envs` = 32\. Received: 3"),
        ({"data_parallel": 3}, r"`data_parallel` must divide `num_envs` = 32\. Received: 3"),
        (
            {"data_parallel": 2, "agent": DDPGConfig(batch_size=33)},
            r"`data_parallel` must divide `batch_size` = 33",
        ),
        (
            {"data_parallel": 2, "algorithm": "ppo", "agent": PPOConfig(horizon=1, minibatches=32)},
            r"`minibatches` must divide the 16 steps",
        ),
        ({"rollout_workers": 2, "data_parallel": 2}, "Choose one"),
        ({"rollout_workers": 65}, r"\[0, 64\]"),
        ({"data_parallel": 0}, r"\[1, 64\]"),
    ],
)
def test_a_training_that_cannot_be_divided_is_refused(settings, said):
    with pytest.raises(InputError, match=said):
        TrainConfig(**settings)


@pytest.mark.parametrize("spread", [{"rollout_workers": 2}, {"data_parallel": 2}])
def test_a_training_by_several_needs_a_cluster_and_an_agent_that_can(spread):
    for algorithm in ("ddpg", "td3", "sac", "ppo", "a2c"):
        check_cluster(TrainConfig(algorithm=algorithm, **spread), LOCAL)
    check_cluster(TrainConfig(algorithm="supervised"), None)
    with pytest.raises(InputError, match="Expected --ray with --rollout-workers or"):
        check_cluster(TrainConfig(**spread), None)
    with pytest.raises(InputError, match="Received: supervised"):
        check_cluster(TrainConfig(algorithm="supervised", **spread), LOCAL)
