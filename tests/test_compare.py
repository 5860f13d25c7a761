"""Comparisons: which variants there are, that each is trained once, and what is reported."""

import contextlib
import dataclasses
import shlex
import shutil

import numpy as np
import pytest
from tests.agents.tiny import small_config, write_csv
from tests.brief import brief_figures, eagerly
from tests.featured import write_random_features

from drrec import cli
from drrec.embeddings import content as teaching
from drrec.embeddings import contrast
from drrec.embeddings.config import ContentConfig, GridConfig
from drrec.errors import InputError
from drrec.evaluation.report import write_report
from drrec.experiment import grid
from drrec.experiment.compare import compare
from drrec.experiment.config import CompareConfig, RunConfig
from drrec.experiment.run import Run
from drrec.experiment.task import Task
from drrec.reading import read_json

GRID = GridConfig(modality="video,text", fusion="early", aggregation="mean", dropout=0.5)
VARIANTS = ["ids", "video", "text", "video+text early mean"]
BESIDE = {"random", "popularity", "content_knn", "two_tower"}


@pytest.fixture(scope="module", autouse=True)
def _quickly():
    brief = (contrast, "_STEPS", 1), (teaching, "_MOST_ROUNDS", 1), (teaching, "_STEPS_A_ROUND", 1)
    with eagerly(*brief), pytest.MonkeyPatch.context() as patch:
        brief_figures(patch)
        yield


@pytest.fixture(scope="module")
def config(tiny_interactions, tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    alone = small_config(write_csv(tiny_interactions, folder / "log.csv"), steps=4, cold_items=0.2)
    shared = {f.name: getattr(alone, f.name) for f in dataclasses.fields(RunConfig)}
    shared["vectors"] = dataclasses.replace(alone.vectors, held_out=0.0)  # which are fitted once
    made = CompareConfig(**(shared | {"seed": 3, "seeds": 2}), grid=GRID)
    path = write_random_features(made, folder, path=folder / "mine.h5")
    return dataclasses.replace(made, features=str(path))


@pytest.fixture(scope="module")
def judged(config, tmp_path_factory):
    return Task.load(config, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(config, judged, tmp_path_factory):
    """A comparison that nothing interrupted: its run, what was begun, and its metrics."""
    run, begun = Run(tmp_path_factory.mktemp("whole"), "c"), []
    with pytest.MonkeyPatch.context() as patch:
        count(patch, begun)
        metrics = compare(run, config, judged, run.root)
    write_report(run.folder, metrics)
    return run, begun, metrics


def count(patch, begun, *, up_to=99):
    """Note each training; the one that comes after `up_to` others is interrupted."""
    as_ever = grid.train_cell

    def noted(cell, *rest):
        begun.append(cell.run.name)
        return len(begun) <= up_to and as_ever(cell, *rest)

    patch.setattr(grid, "train_cell", noted)


def test_every_subset_in_every_way_and_one_modality_in_one():
    grid = GridConfig(modality="text,video", fusion="late,early,gated", aggregation="mean,concat")
    ways = ["late mean", "late concat", "early mean", "early concat", "gated mean"]
    assert list(grid.variants()) == ["text", "video", *(f"text+video {way}" for way in ways)]
    one = grid.variants()["text"]
    assert (one.modality, one.fusion, one.aggregation) == ("text", "late", "mean")
    both = grid.variants()["text+video gated mean"]
    assert (both.modality, both.fusion, both.aggregation) == ("text,video", "gated", "mean")
    names = list(GridConfig().variants())
    assert len(names) == len(set(names)) == 3 + 4 * 4


def test_how_encoders_are_trained_holds_for_all_variants():
    grid = GridConfig(identity="half", encoder="finetuned", dropout=0.1, lr_content=0.5)
    for made in grid.variants().values():
        assert (made.identity, made.encoder, made.dropout, made.lr_content) == (
            *("half", "finetuned", 0.1, 0.5),
        )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"modality": "video,smell"}, "of video, audio, text, joined by commas. Received: smell"),
        ({"fusion": "soon"}, "of early, late, gated, joined by commas. Received: soon"),
        ({"aggregation": "sum,mean"}, "of concat, mean, joined by commas. Received: sum"),
        ({"modality": "text,text"}, "Expected each modality once"),
        ({"modality": ""}, "Expected something to compare"),
        ({"fusion": "gated", "aggregation": "concat"}, "gated pools by mean"),
    ],
)
def test_a_grid_of_nothing_or_of_unknown_names_is_refused(settings, words):
    with pytest.raises(InputError, match=words):
        GridConfig(**settings)


def test_each_variant_is_trained_once_with_each_seed(whole, config):
    run, begun, _ = whole
    folders = ["ids", "video", "text", "video-text-early-mean"]
    assert begun == [f"c/{name}/seed-{seed}" for seed in (3, 4) for name in folders]
    part = Run(run.root, "c/video-text-early-mean/seed-4").config()
    assert (part.seed, part.seeds, part.steps) == (4, 1, config.steps)
    assert part.content == GRID.variants()["video+text early mean"]
    assert Run(run.root, "c/ids/seed-3").config().content == ContentConfig()


def test_variants_are_reported_as_gains_over_ids(whole):
    run, _, metrics = whole
    assert metrics["seeds"] == [3, 4]
    for methods in metrics["protocols"].values():
        assert set(methods) == {*BESIDE, *VARIANTS}
        for name in VARIANTS:
            for cell in methods[name].values():
                assert cell["versus"] in BESIDE
    added = metrics["content_added"]
    assert added["versus"] == "ids"
    assert list(added["methods"]) == VARIANTS[1:]
    cold = metrics["protocols"]["cold_items"]
    for name in VARIANTS[1:]:
        assert added["methods"][name]["cold_items"]["ndcg@10"]["mean"] == pytest.approx(
            cold[name]["ndcg@10"]["mean"] - cold["ids"]["ndcg@10"]["mean"]
        )
    assert metrics["encoders"] == {"video": "random video", "text": "random text"}
    report = (run.folder / "report.md").read_text(encoding="utf-8")
    assert "by video+text early mean" in report
    assert "](content.png)" in report
    assert (run.folder / "content.png").read_bytes().startswith(b"\x89PNG")
    assert read_json(run.folder / "metrics.json")["content_added"]["versus"] == "ids"


def test_what_was_interrupted_goes_on_without_training_again(
    whole, config, judged, tmp_path, monkeypatch
):
    """One of fewer variants: each is trained and judged as in the whole comparison."""
    run, before, after = Run(tmp_path, "c"), [], []
    made = whole[0].root / "save_weights" / "embeddings"
    shutil.copytree(made, tmp_path / "save_weights" / "embeddings")
    fewer = dataclasses.replace(config, grid=dataclasses.replace(GRID, modality="text"))
    with monkeypatch.context() as patch:
        count(patch, before, up_to=2)
        assert compare(run, fewer, judged, tmp_path) is None
    assert before == ["c/ids/seed-3", "c/text/seed-3", "c/ids/seed-4"]
    with monkeypatch.context() as patch:
        count(patch, after)
        metrics = compare(run, fewer, judged, tmp_path)
    assert after == ["c/ids/seed-4", "c/text/seed-4"]
    for protocol, methods in metrics["protocols"].items():
        for name in ("random", "popularity", "ids", "text"):
            assert judged_as(methods[name]) == judged_as(whole[2]["protocols"][protocol][name])
    for name in (*before, *after):
        one, other = (np.load(Run(r.root, name).folder / "agent.drrec") for r in (run, whole[0]))
        with one, other:
            assert set(one) == set(other)
            for part in one:
                np.testing.assert_array_equal(one[part], other[part], err_msg=part)


def judged_as(cells):
    """A method's figures, less what they are compared with."""
    return {
        measure: {key: cell[key] for key in ("mean", "low", "high")}
        for measure, cell in cells.items()
    }


@pytest.mark.parametrize(
    "changes", [{"steps": 9}, {"grid": dataclasses.replace(GRID, dropout=0.1)}, {"seeds": 3}]
)
def test_other_settings_under_the_same_name_are_refused(whole, config, judged, changes):
    run = whole[0]
    before = read_json(run.folder / "settings.json")
    with pytest.raises(InputError, match=r"that c was begun with.*choose another --name"):
        compare(run, dataclasses.replace(config, **changes), judged, run.root)
    assert read_json(run.folder / "settings.json") == before


def test_what_cannot_begin_leaves_no_folder(config, judged, tmp_path):
    audio = dataclasses.replace(config, grid=GridConfig(modality="audio"))
    with pytest.raises(InputError, match="Expected audio features"):
        compare(Run(tmp_path, "c"), audio, judged, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_a_runs_or_has_checkpoints_left_is_refused(config, judged, tmp_path):
    single = config.with_content(ContentConfig())
    taken = Run.create(tmp_path, "taken", single)
    with pytest.raises(InputError, match="'taken', which is there"):
        compare(taken, config, judged, tmp_path)
    assert [path.name for path in taken.folder.iterdir()] == ["config.yaml"]
    left = Run(tmp_path, "left")
    left.weights.mkdir(parents=True)
    with pytest.raises(InputError, match="checkpoints are left"):
        compare(left, config, judged, tmp_path)
    assert not left.folder.exists()


def test_the_command_writes_and_prints_the_comparison(config, tmp_path, capsys):
    argv = shlex.split(
        f"compare --dataset {config.dataset} --features {config.features} --name c --gpu -1 "
        "--modality text --steps 4 --min-items 5 --embedding variational --dim-emb 5 "
        "--held-out 0.0 --unlogged never --state-size 3 --episode-length 4 --dim-actor 8 "
        "--dim-critic 8 --batch-size 16 --memory-size 128 --num-envs 4 "
        "--baselines random,popularity"
    )
    with contextlib.chdir(tmp_path):
        assert cli.run(*cli.STAGES, argv=argv) == 0
        printed = capsys.readouterr().out
        assert "by text, " in printed
        assert "by ids" in printed
        with np.load("save_model/c/text/seed-0/agent.drrec") as before:
            weights = dict(before)
        assert cli.run(*cli.STAGES, argv=argv) == 0
        again = capsys.readouterr().out
        assert again.partition("## What it took")[0] == printed.partition("## What it took")[0]
        with np.load("save_model/c/text/seed-0/agent.drrec") as after:
            assert all((after[name] == value).all() for name, value in weights.items())
    folder = tmp_path / "save_model" / "c"
    assert {"settings.json", "metrics.json", "report.md", "content.png", "split.npz"} <= {
        path.name for path in folder.iterdir()
    }
