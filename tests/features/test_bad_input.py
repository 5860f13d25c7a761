"""What is wrong with content, said in one line by the command line."""

import pathlib
import shlex
import subprocess
import sys

import pytest
from tests.features.test_store import dataset_of

from drrec import cli
from drrec.errors import InputError
from drrec.experiment.config import TrainConfig, from_dict
from drrec.features.store import load_features

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("train --modality smell", "of video, audio, text, joined by commas. Received: smell."),
        ("train --modality text,text", "Expected each modality once. Received: 'text,text'."),
        ("train --fusion soon", "Expected --fusion {early,late,gated}. Received: 'soon'."),
        ("train --aggregation sum", "--aggregation {None,concat,mean}. Received: 'sum'."),
        ("train --fusion gated --aggregation concat", "Expected `aggregation` mean with fusion"),
        ("train --cold-items 0.5", "`cold_items` must be in [0, 0.5)"),
        ("train --cold-users -0.1", "`cold_users` must be in [0, 0.5)"),
        ("train --dropout 1", "`dropout` must be in [0, 1). Received: 1.0."),
        ("train --steps many", "Expected --steps INT. Received: 'many'."),
        ("compare --name c --modality smell", "Expected `modality` to be of video, audio, text"),
        ("compare --modality text", "Expected --name STR. Received: nothing."),
        ("extract --pooling sum", "Expected --pooling {cls,mean,last}. Received: 'sum'."),
        (
            "import-features --format npy --from . --dataset demo",
            "--format {mmrec,ducho,json,",
        ),
    ],
)
def test_flags_that_cannot_be_are_one_line(command, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.run(*cli.STAGES, argv=shlex.split(command)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    assert said in captured.err
    assert captured.err.endswith(f" See {sys.argv[0]} {command.split()[0]} --help.\n")
    assert not list(tmp_path.iterdir())


def test_a_program_complains_in_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "run.py", "train", "--modality", "smell"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "Expected `modality` to be of video, audio, text, joined by commas. Received: smell. "
        f"See {ROOT / 'run.py'} train --help.\n"
    )


def test_a_setting_that_cannot_be_is_said_with_its_file():
    values = {"content": {"modality": "smell"}}
    with pytest.raises(InputError, match=r"Received: smell\. This is in mine/config\.json\.$"):
        from_dict(TrainConfig, values, "mine/config.json")


def test_a_folder_is_no_feature_file(tmp_path):
    with pytest.raises(InputError, match=r"Received: a folder\. Name an HDF5 file\."):
        load_features(tmp_path, dataset_of(["a", "b"]), ["text"])


def test_media_of_no_item_alone_are_named(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.csv").write_text("user_id,item_id,rating,timestamp\nu,1,5,1\nv,2,3,2\n")
    (tmp_path / "media" / "trailers").mkdir(parents=True)
    (tmp_path / "media" / "trailers" / "nosuch.mp4").write_bytes(b"film")
    argv = ["extract", "--dataset", "log.csv", "--modality", "video", "--video-model", "small"]
    assert cli.run(*cli.STAGES, argv=argv) == 2
    said = capsys.readouterr().err
    assert "such as trailers/1.mp4 but trailers/nosuch.mp4. Put them there" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "data").exists()
