"""The stages `extract` and `import-features` of the command line."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest

from drrec import cli
from drrec.data.datasets import load_dataset
from drrec.features.store import features_path

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{user},{item},{user + item + 1},{item}" for user in (0, 1) for item in (0, 1, 2)]
    (tmp_path / "log.csv").write_text("user_id,item_id,rating,timestamp\n" + "\n".join(rows) + "\n")
    return tmp_path


def refused(capsys, *argv):
    """The one line on stderr of a command that must end with status 2."""
    assert cli.run(*cli.STAGES, argv=[*argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    return captured.err


@pytest.mark.parametrize("stage", ["extract", "import-features"])
def test_help_loads_neither_torch_nor_tensorflow(stage, tmp_path):
    command = [sys.executable, "-X", "importtime", str(ROOT / "run.py"), stage, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "drrec.features.config" in loaded
    assert not loaded & {"torch", "transformers", "tensorflow", "h5py", "pandas", "av", "numpy"}
    assert "--modality" in done.stdout


def test_extracting_never_loads_tensorflow(here, capsys):
    argv = ["extract", "--dataset", "log.csv", "--modality", "text", "--text-model", "small"]
    (here / "plots.csv").write_text("item_id,plot\n0,A storm.\n1,A chase.\n")
    assert cli.run(*cli.STAGES, argv=argv) == 0
    said = capsys.readouterr().out
    assert "text: 2 of 3 items, by untrained BERT (seed 0); 1 without, 0 of them" in said
    assert features_path("data", load_dataset("log.csv").key).exists()
    assert "tensorflow" not in sys.modules


def test_importing_says_how_many_items_have_features(here, capsys):
    np.save(here / "text_feat.npy", np.eye(3))
    argv = ["import-features", "--format", "mmrec", "--from", ".", "--dataset", "log.csv"]
    assert cli.run(*cli.STAGES, argv=argv) == 0
    path = features_path("data", load_dataset("log.csv").key)
    assert f"text: 3 of 3 items have features in {path}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--modality", "smell"], "among video, audio, text"),
        (["--modality", "text"], "Expected titles, genres or plots of log"),
        (["--modality", "video", "--video-model", "small"], "Expected media of log in trailers/"),
        (["--modality", "text", "--text-file", "none.csv"], "none.csv"),
    ],
)
def test_bad_input_is_one_line(here, capsys, flags, said):
    assert said in refused(
        capsys, "extract", "--dataset", "log.csv", "--text-model", "small", *flags
    )
    assert not features_path("data", load_dataset("log.csv").key).exists()


@pytest.mark.parametrize(
    "flags", [["--frames", "0"], ["--workers", "0"], ["--modality", ","], ["--seconds", "0"]]
)
def test_a_value_out_of_range_is_refused(here, flags, capsys):
    assert refused(capsys, "extract", *flags).endswith(" extract --help.\n")
