"""The command line: what it prints, what it refuses, and with which status it ends."""

import contextlib
import errno
import functools
import io
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import types

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.agents.tiny import write_csv
from tests.brief import brief_figures, eagerly

from drrec import cli
from drrec.cli import flags
from drrec.cli.settings import PRESETS
from drrec.errors import InputError
from drrec.experiment import evaluating
from drrec.experiment.run import Run
from drrec.reading import read_json, read_yaml

ROOT = pathlib.Path(__file__).parents[1]
FLAGS = shlex.split(
    "--dataset log.csv --steps 40 --min-items 5 --seed 3 --embedding variational --dim-emb 5 "
    "--popularity 0.3 --held-out 0.4 --unlogged never --state-size 3 --episode-length 4 "
    "--dim-actor 8 --dim-critic 8 --batch-size 16 --memory-size 128 --num-envs 4 --gpu -1 "
    "--baselines random,popularity,item_cf"
)


@pytest.fixture(scope="module", autouse=True)
def _quickly():
    """What is printed and refused is the same; that XLA learns the same, agents' tests show."""
    with eagerly(), pytest.MonkeyPatch.context() as patch:
        brief_figures(patch)
        yield


@pytest.fixture(scope="module")
def trained(tiny_interactions, tmp_path_factory) -> pathlib.Path:
    """A folder with a log and a run, `first`, trained and evaluated by `train.py`."""
    folder = tmp_path_factory.mktemp("trained")
    write_csv(tiny_interactions, folder / "log.csv")
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as printed:
        assert cli.run(cli.Train, argv=[*FLAGS, "--name", "first"]) == 0
    (folder / "printed").write_text(printed.getvalue(), encoding="utf-8")
    return folder


@pytest.fixture
def here(trained, tmp_path, monkeypatch) -> pathlib.Path:
    """A copy of it, to be worked in."""
    shutil.copytree(trained, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def refused(capsys, *stages, argv):
    """The one line on stderr of a command that must end with status 2."""
    capsys.readouterr()
    assert cli.run(*stages, argv=argv) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if not line.startswith("device:")]
    assert captured.out == ""
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(
    "program", [["train.py"], ["eval.py"], ["run.py"], ["run.py", "recommend"], ["run.py", "serve"]]
)
def test_help_exits_0_without_loading_tensorflow(program, tmp_path):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", ROOT / program[0], *program[1:], "--help"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "drrec.cli" in loaded
    assert not loaded & {"tensorflow", "keras", "torch", "pandas", "scipy", "gymnasium"}
    assert "usage" in done.stdout
    assert not list(tmp_path.iterdir())


def test_help_explains_each_flag_with_its_range_and_default(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        cli.run(cli.Train, argv=["--help"])
    assert ended.value.code == 0
    words = " ".join(capsys.readouterr().out.replace("│", " ").split())
    named = "modality fusion aggregation dim-emb state-size dim-actor dim-critic lr-actor lr-critic"
    named += " discount batch-size memory-size tau epsilon std seed gpu steps"
    for flag in named.split():
        assert f"--{flag} " in words
        said = words.partition(f"--{flag} ")[2].partition(" --")[0]
        assert len(said.split("(default:")[0].split()) >= 3, flag
        assert "(default: " in said, flag
    assert "[0 <= γ < 1] (default: " in words


STAGE = "Expected one of data, extract, import-features, embed, train, tune, compare, benchmark, "
STAGE += "eval, recommend, llm, serve, evaluate-log, update. Received: "


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", STAGE + "nothing."),
        ("trian --steps 3", STAGE + "'trian'. Did you mean 'train'?"),
        ("--steps 3 train", STAGE + "'--steps'."),
        (
            "train --lr_acter=0.1",
            "Received: '--lr-acter'. Did you mean '--lr-actor'?",
        ),
        ("train extra", "Expected a known flag. Received: 'extra'."),
        ("data demo --form x", "Received: '--form'. Did you mean '--from'?"),
        ("data demo --name x", "Expected a known flag. Received: '--name'. See"),
        (
            "data ml-200k",
            "name {ml-100k,.*}. Received: 'ml-200k'. Did you mean 'ml-100k'?",
        ),
        (
            "train --state drr",
            "--state {drr_p,.*}. Received: 'drr'. Did you mean 'drr_u'?",
        ),
        ("train --steps 3 --steps many", "Expected --steps INT. Received: 'many'."),
        ("train --dim_emb=2.5", "Expected --dim-emb INT. Received: '2.5'."),
        ("train --gpu x", "Expected --gpu {None}|INT. Received: 'x'."),
        ("train --steps", "Expected --steps INT. Received: no value."),
        ("train --discount 1.5", "`discount` must be in [0, 1). Received: 1.5. An endless session"),
        ("train --num-envs 0", "`num_envs` must be in [1, 65536]. Received: 0."),
        ("compare --nmae a", "Expected a known flag. Received: '--nmae'. Did you mean '--name'?"),
        ("import-features --format csv", "Expected --from PATH, --dataset STR. Received: nothing."),
    ],
)
def test_what_cannot_be_parsed_is_said_in_one_line(command, said, capsys):
    stage = command.partition(" ")[0]
    known = stage in {"train", "data", "compare", "import-features"}
    line = refused(capsys, *cli.STAGES, argv=command.split())
    for part in said.split(".*"):
        assert part in line
    assert line.endswith(f" See {sys.argv[0]} {f'{stage} ' if known else ''}--help.")


def test_one_stage_alone_is_not_named(capsys):
    line = refused(capsys, cli.Train, argv=["--lr-acter", "0.1"])
    assert line.startswith("Expected a known flag. Received: '--lr-acter'.")
    assert line.endswith(f" See {sys.argv[0]} --help.")


def test_of_a_flag_given_twice_the_last_holds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.yaml").write_text("steps: 1")
    (tmp_path / "last.yaml").write_text("{algorithm: td3, steps: 2}")
    taken = []
    monkeypatch.setitem(cli.STAGES, cli.Train, lambda given: taken.append(given.train) or 0)
    argv = ["--config", "first.yaml", "--config=last.yaml", "--algorithm", "sac", "--algorithm=td3"]
    assert cli.run(cli.Train, argv=argv) == 0
    assert (taken[0].algorithm, taken[0].steps) == ("td3", 2)


def test_train_leaves_a_whole_run(trained):
    run = trained / "save_model" / "first"
    names = {path.name for path in run.iterdir()}
    assert {"config.yaml", "metrics.json", "training.csv", "report.md", "agent.drrec"} <= names
    assert {"events", "split.npz", "values.csv.gz", "fit.json"} <= names
    assert any(path.suffix == ".png" for path in run.rglob("*"))
    assert not list(trained.rglob("*.part"))
    printed = (trained / "printed").read_text(encoding="utf-8")
    for method in ("random", "popularity", "item_cf", "ddpg"):
        assert method in printed


def strict(text):
    def refuse(constant):
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


def without_cost(metrics):
    """All that two runs of the same settings have alike, bit for bit."""
    return {key: value for key, value in metrics.items() if key != "made_by"}


def test_eval_prints_the_same_metrics_as_strict_json(here, capsys):
    before = read_json(here / "save_model" / "first" / "metrics.json")
    capsys.readouterr()
    assert cli.run(cli.Eval, argv=["--run", "first", "--json", "--gpu", "-1"]) == 0
    content = strict(capsys.readouterr().out)
    assert without_cost(content) == without_cost(before)
    assert (content["dataset"], content["split"]) == ("log", "temporal")
    methods = content["protocols"]["rated"]
    assert set(methods) == {"random", "popularity", "item_cf", "ddpg"}
    for metrics in methods.values():
        assert {"precision@5", "ndcg@10", "map"} <= set(metrics)
        for metric in metrics.values():
            assert metric["low"] <= metric["mean"] <= metric["high"]


def test_eval_prints_the_table_again_and_takes_the_latest_run(here, capsys):
    capsys.readouterr()
    assert cli.run(cli.Eval, argv=["--gpu", "-1"]) == 0
    again, before = capsys.readouterr().out, (here / "printed").read_text(encoding="utf-8")
    assert again.partition("## What it took")[0] == before.partition("## What it took")[0]


def test_recommend_as_json(here, capsys, tiny_interactions):
    argv = shlex.split("recommend --run first --user u07 --top-k 5 --json --gpu -1")
    capsys.readouterr()
    assert cli.run(*cli.STAGES, argv=argv) == 0
    found = strict(capsys.readouterr().out)
    assert set(found) == {"user", "liked", "items"}
    assert found["user"] == "u07"
    assert len(found["items"]) == 5
    assert all(set(each) == {"item", "title", "score"} for each in found["items"])
    scores = [each["score"] for each in found["items"]]
    assert scores == sorted(scores, reverse=True)
    log = tiny_interactions
    theirs = np.flatnonzero(log.user == log.users.dense("u07"))
    seen = set(log.items.raw[log.item[theirs]].tolist())
    assert not seen & {each["item"] for each in found["items"]}
    liked = theirs[log.rating[theirs] > 3]  # the latest of the whole log, not of its training part
    latest = log.items.raw[log.item[liked[::-1][:3]]].tolist()
    assert [each["item"] for each in found["liked"]] == latest


def test_recommend_as_text(here, capsys):
    argv = shlex.split("recommend --run save_model/first --user u07 --top-k 3 --gpu -1")
    capsys.readouterr()
    assert cli.run(*cli.STAGES, argv=argv) == 0
    assert "Recommended, with scores:" in capsys.readouterr().out


def test_recommend_loads_neither_tensorflow_nor_pandas(here):
    argv = shlex.split(f"recommend --run first --user u07 --json --runs-dir {here}")
    done = subprocess.run(
        [sys.executable, "-X", "importtime", ROOT / "run.py", *argv],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "drrec.serving.engine" in loaded
    assert not loaded & {"tensorflow", "keras", "pandas", "scipy", "matplotlib"}
    assert strict(done.stdout)["user"] == "u07"


def recommended(capsys, flags):
    capsys.readouterr()
    argv = shlex.split(f"recommend --run first --top-k 4 --json --gpu -1 {flags}")
    assert cli.run(*cli.STAGES, argv=argv) == 0
    return strict(capsys.readouterr().out)


def test_recommend_to_several_to_somebody_new_and_like_an_item(here, capsys, tmp_path):
    several = recommended(capsys, "--user u07,u08")
    assert [each["user"] for each in several] == ["u07", "u08"]
    assert several[0] == recommended(capsys, "--user u07")
    (tmp_path / "users.txt").write_text("u08\n\nu07\n")
    assert recommended(capsys, f"--user @{tmp_path / 'users.txt'}") == several[::-1]
    new = recommended(capsys, "--liked i02,i04")
    assert new["liked"] == "i02,i04"
    assert len(new["items"]) == 4
    assert not {"i02", "i04"} & {each["item"] for each in new["items"]}
    alike = recommended(capsys, "--similar-to i02")
    assert "i02" not in {each["item"] for each in alike["items"]}


def test_recommend_leaves_out_and_chooses_among(here, capsys, tmp_path):
    best = [each["item"] for each in recommended(capsys, "--user u07")["items"]]
    less = recommended(capsys, f"--user u07 --filter {best[0]},{best[2]}")["items"]
    assert [each["item"] for each in less][:2] == [best[1], best[3]]
    (tmp_path / "few").write_text(f"{best[3]}\n{best[1]}\n")
    few = recommended(capsys, f"--user u07 --among @{tmp_path / 'few'}")["items"]
    assert [each["item"] for each in few] == [best[1], best[3]]
    again = recommended(capsys, "--user u07 --keep-seen --top-k 80")["items"]
    assert len(again) == 80


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_recommend_to_all_users_into_a_file(here, capsys, tmp_path, suffix):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"lists.{suffix}"
    argv = shlex.split(f"recommend --run first --user all --top-k 3 --gpu -1 --out {path}")
    assert cli.run(*cli.STAGES, argv=argv) == 0
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet}.get(
        suffix, lambda path: pd.read_json(path, lines=True)
    )
    lists = read(path)
    assert list(lists) == ["user", "item", "score", "rank"]
    assert lists.groupby("user")["rank"].apply(list).tolist() == [[1, 2, 3]] * 60
    own = recommended(capsys, "--user u31")["items"][:3]
    assert lists.loc[lists["user"] == "u31", "item"].tolist() == [each["item"] for each in own]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("", "Expected one of --user, --liked and --similar-to"),
        ("--similar-to i01 --among i02", "Expected --filter and --among with --user or --liked"),
        ("--user u07 --liked i01", "or several"),
        ("--liked i01 --out x.csv", "with --out"),
        ("--user all --out x.xlsx", "ends in .csv, .jsonl, .parquet"),
        ("--user @nowhere", "Expected a file of ids at nowhere"),
        ("--user u07 --among i99", "Expected a known item"),
    ],
)
def test_what_cannot_be_recommended_is_refused(here, capsys, flags, said):
    argv = shlex.split(f"recommend --run first --gpu -1 {flags}")
    assert said in refused(capsys, *cli.STAGES, argv=argv)


def test_without_a_final_fit_recommend_says_what_it_does_not_know(here, capsys, caplog):
    path = here / "save_model/first/served.drrec"
    path.rename(path.with_suffix(".aside"))
    try:
        recommended(capsys, "--user u07")
    finally:
        path.with_suffix(".aside").rename(path)
    assert "knows the training part of the log alone" in caplog.text


def test_a_run_that_cannot_begin_leaves_no_folder(here, capsys, monkeypatch):
    def fail(*given, **named):
        raise InputError("Expected more. Received: less.")

    monkeypatch.setattr("drrec.experiment.train.embed", fail)
    argv = [*FLAGS, "--name", "never"]
    assert "Expected more" in refused(capsys, cli.Train, argv=argv)
    assert not (here / "save_model/never").exists()


def test_an_unknown_user_is_refused_with_the_nearest(here, capsys):
    argv = shlex.split("recommend --run first --user u7 --gpu -1")
    assert "Did you mean 'u" in refused(capsys, *cli.STAGES, argv=argv)


def test_underscores_are_taken_for_hyphens(here):
    argv = [
        "--" + flag.removeprefix("--").replace("-", "_") if flag.startswith("--") else flag
        for flag in FLAGS
    ]
    assert "--dim_emb" in argv
    assert cli.run(flags.Embed, argv=argv) == 0
    assert len(list((here / "save_weights" / "embeddings").iterdir())) == 1  # the run's own


def test_a_yaml_file_gives_defaults_that_flags_override(here, monkeypatch):
    (here / "own.yaml").write_text("seed: 9\nsteps: 7\nagent:\n  tau: 0.5\n")
    taken = []
    monkeypatch.setitem(cli.STAGES, cli.Train, lambda given: taken.append(given) or 0)
    for stages, argv in (
        ([cli.Train], ["--config", "own.yaml", "--seed", "4"]),
        ([cli.Train], ["--config=own.yaml", "--seed", "4"]),
        (list(cli.STAGES), ["train", "--config", "own.yaml", "--seed", "4"]),
    ):
        assert cli.run(*stages, argv=argv) == 0
        assert (taken[-1].train.seed, taken[-1].train.steps) == (4, 7)
        assert taken[-1].train.agent.tau == 0.5


@pytest.mark.parametrize(
    ("argv", "text", "path", "value"),
    [
        ("data yelp", "from: there\nmin_user: 3", "prepare.source", pathlib.Path("there")),
        ("data yelp --min-user 4", "min_user: 3", "prepare.min_user", 4),
        ("extract", "frames: 3\nmedia: here", "extract.frames", 3),
        (
            "import-features --encoder x",
            "{format: csv, from: a, dataset: b}",
            "features.encoder",
            "x",
        ),
        ("embed", "vectors: {dim_emb: 7}", "train.vectors.dim_emb", 7),
        ("compare", "name: grid\ngrid: {fusion: late}", "compare.grid.fusion", "late"),
        ("compare --name other", "name: grid", "name", "other"),
        ("benchmark", "seeds: 3\nname: b", "benchmark.seeds", 3),
        ("eval", "run: first\njson: true", "json", True),
        ("recommend --user 1", "run: first\ntop_k: 3", "top_k", 3),
        ("serve --port 9000", "run: first\nworkers: 3", "serve.workers", 3),
        ("evaluate-log --json", "run: first\nexplore: 0.2", "explore", 0.2),
    ],
)
def test_every_stage_reads_a_file_of_settings(tmp_path, monkeypatch, argv, text, path, value):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text(text)
    taken = []
    for stage in cli.STAGES:
        monkeypatch.setitem(cli.STAGES, stage, lambda given: taken.append(given) or 0)
    assert cli.run(*cli.STAGES, argv=[*argv.split(), "--config", "own.yaml"]) == 0
    found = taken[0]
    for name in path.split("."):
        found = getattr(found, name)
    assert found == value


def test_what_a_file_and_the_flags_both_leave_out_is_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text("top_k: 3")
    line = refused(capsys, *cli.STAGES, argv=["recommend", "--config", "own.yaml", "--user", "1"])
    assert "Expected --run STR. Received: nothing." in line
    (tmp_path / "own.yaml").write_text("{format: csv, from: a}")
    line = refused(capsys, *cli.STAGES, argv=["import-features", "--config", "own.yaml"])
    assert "Expected `dataset` in own.yaml" in line


def test_a_runs_settings_train_the_same_again(here):
    argv = ["--config", "save_model/first/config.yaml", "--gpu", "-1", "--name", "again"]
    assert cli.run(cli.Train, argv=argv) == 0
    first, again = (here / "save_model" / name for name in ("first", "again"))
    assert (again / "config.yaml").read_bytes() == (first / "config.yaml").read_bytes()
    with np.load(first / "agent.drrec") as one, np.load(again / "agent.drrec") as other:
        assert set(one) == set(other)
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_the_papers_settings_are_sound(monkeypatch):
    taken = []
    monkeypatch.setitem(cli.STAGES, cli.Train, lambda given: taken.append(given) or 0)
    presets = sorted(PRESETS.glob("*.yaml"))
    for path in presets:
        assert cli.run(cli.Train, argv=["--config", path.stem]) == 0
        assert cli.run(cli.Train, argv=["--config", str(path)]) == 0
    named, read = [[given.train for given in taken[first::2]] for first in (0, 1)]
    assert named == read
    assert len(presets) >= 3
    assert flags.TrainConfig() not in named


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("agent:\n  lr_acter: 1\n", "Received: 'lr_acter'. Did you mean 'lr_actor'?"),
        ("steps: many\n", "Expected `steps` in own.yaml to be int. Received: 'many'."),
        ("steps: [1\n", "Expected YAML in own.yaml"),
        ("- 1\n", "Expected settings by name in own.yaml"),
        ("\x00", "Expected YAML in own.yaml"),
        (None, "Received: own.yaml. Presets: drr_paper, supervised_full, whole_catalogue."),
    ],
)
def test_a_bad_yaml_file_is_refused(tmp_path, monkeypatch, capsys, text, words):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / "own.yaml").write_text(text)
    assert words in refused(capsys, cli.Train, argv=["--config", "own.yaml"])


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--dataset", "missing.csv"], "missing.csv"),
        (["--dataset", "ml-200k"], "Did you mean 'ml-100k'"),
        (["--gpu", "99"], "Expected `gpu` to be"),
        (["--resume", "frist"], "There is none: train one first"),
        (["--dataset", "log.csv", "--name", "a/b"], "Expected a plain name"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path, monkeypatch, capsys, tiny_interactions, argv, words
):
    monkeypatch.chdir(tmp_path)
    write_csv(tiny_interactions, tmp_path / "log.csv")
    assert words in refused(capsys, cli.Train, argv=["--gpu", "-1", *argv])
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_a_run_of_that_name_is_refused(here, capsys):
    line = refused(capsys, cli.Train, argv=[*FLAGS, "--name", "first"])
    assert "--resume first" in line


def test_a_full_disk_is_one_line(here, capsys, monkeypatch):
    def full(file, **arrays):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", full)
    line = refused(capsys, flags.Embed, argv=[*FLAGS, "--seed", "5"])
    assert line == (
        "Expected to read and write files. Received: No space left on device. "
        "Make room or mend the permissions, and run again."
    )
    assert not list(here.rglob("*.part"))


def test_ctrl_c_outside_of_training_is_130(here, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluating, "evaluate_run", interrupted)
    assert cli.run(cli.Eval, argv=["--run", "first", "--gpu", "-1"]) == 130
    line = "interrupted: the same command goes on where it stopped"
    assert capsys.readouterr().err.splitlines()[-1] == line


def test_a_run_of_another_version_is_refused(here, capsys):
    path = here / "save_model" / "first" / "config.yaml"
    path.write_text(yaml.safe_dump(read_yaml(path) | {"version": 99}))
    for stages, argv in (
        ([cli.Eval], ["--run", "first"]),
        ([cli.Train], ["--resume", "first"]),
        (list(cli.STAGES), ["recommend", "--run", "first", "--user", "u07"]),
    ):
        line = refused(capsys, *stages, argv=[*argv, "--gpu", "-1"])
        assert "Expected a run of version 4" in line
        assert "Received: 99" in line


def test_a_run_whose_ratings_have_changed_is_refused(here, capsys):
    text = (here / "log.csv").read_text().splitlines()
    (here / "log.csv").write_text("\n".join(text[:-1]) + "\n")
    for stage, argv in ((cli.Eval, ["--run", "first"]), (cli.Train, ["--resume", "first"])):
        line = refused(capsys, stage, argv=[*argv, "--gpu", "-1"])
        assert "Expected the split of these ratings" in line


def test_a_run_whose_split_was_changed_is_refused(here, capsys):
    path = here / "save_model" / "first" / "config.yaml"
    path.write_text(yaml.safe_dump(read_yaml(path) | {"split": "random"}))
    line = refused(capsys, cli.Eval, argv=["--run", "first", "--gpu", "-1"])
    assert "Expected the split that first was begun with" in line


def test_a_run_that_is_not_trained_to_the_end_is_refused(here, capsys):
    (here / "save_model" / "first" / "agent.drrec").unlink()
    line = refused(capsys, cli.Eval, argv=["--run", "first", "--gpu", "-1"])
    assert "Finish its training first" in line


def test_resuming_a_finished_run_changes_nothing(here, capsys):
    with np.load(here / "save_model" / "first" / "agent.drrec") as file:
        before = dict(file)
    metrics = read_json(here / "save_model" / "first" / "metrics.json")
    assert cli.run(cli.Train, argv=["--resume", "first", "--gpu", "-1"]) == 0
    with np.load(here / "save_model" / "first" / "agent.drrec") as file:
        assert before.keys() == set(file.files)
        for name, value in before.items():
            np.testing.assert_array_equal(file[name], value)
    again = read_json(here / "save_model" / "first" / "metrics.json")
    assert without_cost(again) == without_cost(metrics)


def test_a_reader_who_has_seen_enough_is_no_error():
    command = [sys.executable, "-u", str(ROOT / "train.py"), "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def edit_config(run, **changes):
    path = run / "config.yaml"
    path.write_text(yaml.safe_dump(read_yaml(path) | changes))


def test_an_edited_config_is_refused_where_it_would_be_mixed_with_what_was_learned(here, capsys):
    run = here / "save_model" / "first"
    edit_config(run, min_items=4)
    assert cli.run(cli.Eval, argv=["--run", "first", "--gpu", "-1"]) == 0  # it was not learned by
    edit_config(run, steps=400)
    for stages, argv in (
        ([cli.Train], ["--resume", "first", "--gpu", "-1"]),
        ([cli.Eval], ["--run", "first", "--gpu", "-1"]),
    ):
        line = refused(capsys, *stages, argv=argv)
        assert "settings that first was trained with" in line
        assert "Undo the change" in line
    (run / "agent.drrec").unlink()  # as if it had been killed on the way: a checkpoint is there
    line = refused(capsys, cli.Train, argv=["--resume", "first", "--gpu", "-1"])
    assert "step-000000000040.npz was written with. Received: others. Undo the change" in line


def test_a_second_process_is_refused_at_once(here, capsys):
    with Run(here, "first").held():
        for stages, argv in (
            ([cli.Train], ["--resume", "first", "--gpu", "-1"]),
            ([cli.Eval], ["--run", "first", "--gpu", "-1"]),
        ):
            line = refused(capsys, *stages, argv=argv)
            assert line.startswith("Expected run first to be of no other process.")


STOPPED = {
    "data": ("drrec.data.sources.fetch", ["demo"]),
    "extract": ("", ["--dataset", "log.csv"]),
    "embed": ("drrec.experiment.vectors.embed", FLAGS),
    "train": ("drrec.experiment.train.train_run", [*FLAGS, "--name", "second"]),
    "compare": ("drrec.experiment.compare.compare", [*FLAGS, "--name", "c"]),
    "benchmark": ("drrec.experiment.benchmark.benchmark", ["--dataset", "log.csv"]),
    "eval": ("drrec.experiment.evaluating.evaluate_run", ["--run", "first"]),
    "recommend": ("drrec.serving.engine.read_served", ["--run", "first", "--user", "u00"]),
}


@pytest.mark.parametrize(
    ("stage", "number"),
    [*((stage, signal.SIGTERM) for stage in STOPPED), ("train", signal.SIGINT)],
)
def test_a_signal_ends_every_stage_with_130_and_says_how_to_go_on(
    request, here, capsys, caplog, monkeypatch, stage, number
):
    where, argv = STOPPED[stage]
    put_away = []

    def work(*_, **__):
        try:
            os.kill(os.getpid(), number)
            raise AssertionError("it went on")
        finally:
            put_away.append(stage)

    def unheard(*_):  # in place of the end of all tests
        raise AssertionError("nobody heard it")

    request.addfinalizer(
        functools.partial(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, unheard))
    )
    if stage == "extract":  # whose modules load PyTorch, and TensorFlow is here
        parts = {"chosen_device": lambda _: "cpu", "extract": work, "summary": None}
        for name in ("encoders", "extract"):
            stub = types.SimpleNamespace(**parts)
            monkeypatch.setitem(sys.modules, f"drrec.features.{name}", stub)
    else:
        monkeypatch.setattr(where, work)
    argv = argv if stage in ("data", "extract") else [*argv, "--gpu", "-1"]
    assert cli.run(*cli.STAGES, argv=[stage, *argv]) == 130
    lines = capsys.readouterr().err.splitlines()
    said = caplog.messages[-1] if stage == "train" else lines[-1]
    go_on = "--resume second" if stage == "train" else "the same command goes on"
    assert said.startswith("interrupted: ")
    assert go_on in said
    assert put_away == [stage]
    assert signal.getsignal(signal.SIGTERM) == unheard
    assert not list(here.rglob("*.lock"))
