"""What `metrics.json` says of where it came from."""

import dataclasses
import hashlib
import json
import os
import pathlib
import platform
import subprocess
import sys

import numpy as np
import pytest
from tests.evaluation.stubs import planted

import drrec
from drrec.evaluation.cost import UNKNOWN, Cost
from drrec.evaluation.protocols.candidates import PerUser
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.result import Evaluation
from drrec.experiment.config import TrainConfig
from drrec.experiment.provenance import checkout, config_sha256, made_by
from drrec.files import to_json


def git(folder: pathlib.Path, *words: str) -> str:
    named = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    return subprocess.run(
        ["git", "-C", str(folder), *named, *words], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def package(tmp_path: pathlib.Path) -> pathlib.Path:
    """A package in a checkout with one commit."""
    folder = tmp_path / "src/package"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "a.py").write_text("A = 1\n")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    return folder


def test_the_commit_and_what_differs_from_it(package: pathlib.Path) -> None:
    head = git(package, "rev-parse", "HEAD").strip()
    assert checkout(package) == (head, False)
    (package.parents[1] / "elsewhere").touch()
    assert checkout(package) == (head, False)
    (package / "b.py").touch()
    assert checkout(package) == (head, True)
    (package / "b.py").unlink()
    (package / "a.py").write_text("A = 2\n")
    assert checkout(package) == (head, True)


def test_a_package_that_is_installed_below_another_checkout_is_not_of_it(
    package: pathlib.Path,
) -> None:
    installed = package.parents[1] / ".venv/lib/package"
    installed.mkdir(parents=True)
    (installed / "__init__.py").touch()
    assert checkout(installed) == (None, None)


def test_without_git_or_checkout_nothing_is_said(
    package: pathlib.Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path_factory.mktemp("bare")
    bare = root / "src/package"
    bare.mkdir(parents=True)
    (bare / "__init__.py").touch()
    assert checkout(bare) == (None, None)
    # As in a hook of somebody else's checkout.
    monkeypatch.setenv("GIT_DIR", str(package.parents[1] / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(root))
    assert checkout(bare) == (None, None)
    monkeypatch.setenv("PATH", str(bare))
    assert checkout(package) == (None, None)


def test_the_hash_is_of_the_settings_and_of_nothing_else() -> None:
    text = b'{"a":1,"b":{"c":[null,0.5],"d":"x"}}'
    expected = hashlib.sha256(text).hexdigest()
    assert config_sha256({"b": {"d": "x", "c": [None, 0.5]}, "a": 1}) == expected
    config = TrainConfig(seed=3)
    assert config_sha256(config) == config_sha256(dataclasses.asdict(config))
    assert config_sha256(config) == config_sha256(TrainConfig(seed=3))
    assert config_sha256(config) != config_sha256(TrainConfig(seed=4))


def results() -> Evaluation:
    metrics = {name: np.arange(3.0) for name in protocol_of("rated").metrics}
    keys = [("rated", name, seed) for name in ("pmf", "ddpg") for seed in (0, 1)]
    return planted(
        {key: PerUser(np.arange(3), metrics) for key in keys},
        fits={(name, s): Cost(s + 2.0, 8.0) if name == "pmf" else UNKNOWN for _, name, s in keys},
        scoring={key: Cost(key[2] + 1.0, 9.0 - key[2]) for key in keys},
    )


def test_what_made_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", "--name", "two words"])
    made = made_by(TrainConfig(), results())
    assert set(made) == {
        *("drrec", "commit", "is_dirty", "command", "config_sha256", "python", "packages"),
        *("processor", "cores", "card", "time", "costs"),
    }
    assert made["drrec"] == drrec.__version__
    assert made["command"] == "train.py --name 'two words'"
    assert made["python"] == platform.python_version()
    assert made["packages"]["numpy"] == np.__version__
    assert {"tensorflow", "keras", "pandas", "scipy", "h5py"} <= set(made["packages"])
    assert made["cores"] == os.cpu_count()
    assert made["processor"]
    scoring = {"rated": {"seconds": 1.5, "peak_memory": 9.0}}
    read = json.loads(to_json(made))["costs"]
    assert read == {
        "pmf": {"fit": {"seconds": 2.5, "peak_memory": 8.0}, "scoring": scoring},
        "ddpg": {"fit": {"seconds": None, "peak_memory": None}, "scoring": scoring},
    }
