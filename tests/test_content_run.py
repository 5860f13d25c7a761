"""Whole train that know content: trained, judged, reported; iterations run in Python."""

import contextlib
import dataclasses
import shutil

import numpy as np
import pytest
from tests.agents.tiny import small_config, write_csv
from tests.brief import brief_figures, eagerly
from tests.featured import write_random_features

from drrec import cli
from drrec.data.datasets import load_dataset
from drrec.embeddings import content as teaching
from drrec.embeddings import contrast
from drrec.embeddings.config import ContentConfig
from drrec.errors import InputError
from drrec.experiment import train, vectors
from drrec.experiment.config import from_dict
from drrec.experiment.evaluating import evaluate_run, report_run
from drrec.experiment.run import Run
from drrec.experiment.task import Task
from drrec.experiment.train import train_run
from drrec.experiment.vectors import content_of, embed
from drrec.features.store import FeatureRows, features_path, write_features
from drrec.reading import read_json
from drrec.saving import load

KNOWN = ContentConfig(modality="video,text")
BESIDE = {"random", "popularity", "content_knn", "two_tower"}


@pytest.fixture(scope="module", autouse=True)
def _quickly():
    brief = (contrast, "_STEPS", 1), (teaching, "_MOST_ROUNDS", 1), (teaching, "_STEPS_A_ROUND", 1)
    with eagerly(*brief), pytest.MonkeyPatch.context() as patch:
        brief_figures(patch)
        yield


def world(folder, log, **settings):
    """A log with features in a folder, and what a run in it needs."""
    config = small_config(write_csv(log, folder / "log.csv"), steps=4, content=KNOWN)
    config = dataclasses.replace(config, **settings)
    if not config.features:
        write_random_features(config, folder / "data")
    return config


def fitted_once(config, **settings):
    """The same, its vectors fitted once, on all of train."""
    vectors = dataclasses.replace(config.vectors, held_out=0.0, **settings)
    return dataclasses.replace(config, vectors=vectors)


def inputs(config, folder):
    judged = Task.load(config, folder / "data")
    return judged, content_of(config, config.content, judged, folder / "data")


def arrays(path):
    with np.load(path) as file:
        return dict(file)


def assert_same_export(one, other):
    values, expected = arrays(one / "agent.drrec"), arrays(other / "agent.drrec")
    assert values.keys() == expected.keys()
    for name, value in values.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


@pytest.fixture(scope="module")
def whole(tiny_interactions, tmp_path_factory):
    """A run with cold items and users, trained, judged and reported, with all of it."""
    folder = tmp_path_factory.mktemp("whole")
    config = world(folder, tiny_interactions, cold_items=0.2, cold_users=0.2)
    judged, content = inputs(config, folder)
    run = Run.create(folder, "first", config)
    assert train_run(run, config, judged, content)
    metrics = evaluate_run(run, config, judged, content)
    return folder, run, config, judged, metrics, report_run(run, config, metrics)


def test_agent_and_control_are_trained_apart(whole):
    folder, run, config, judged, *_ = whole
    agent, control = arrays(run.folder / "agent.drrec"), arrays(run.folder / "ids" / "agent.drrec")
    # What content's vectors are fitted by, those of ids alone are, too: else it would seem to gain.
    anew = dataclasses.replace(config.vectors, refit=True)
    plain = dataclasses.replace(config, content=ContentConfig(), vectors=anew)
    assert Run(folder, "first/ids").config() == plain
    assert Run(folder, "first").config() == config
    table = embed(plain, judged.train, folder / "save_weights").final.table
    np.testing.assert_array_equal(control["item_vectors"], table.item)
    cold = judged.cold.candidates
    assert agent["item_vectors"][cold].std(axis=0).max() > 1e-4
    assert control["item_vectors"][cold].std(axis=0).max() < 1e-6


def test_all_methods_are_judged_on_cold_items_and_users_too(whole):
    metrics = whole[4]
    assert set(metrics["protocols"]) == {"rated", "cold_items", "cold_users"}
    for methods in metrics["protocols"].values():
        assert set(methods) == {*BESIDE, "ddpg", "ddpg_ids"}
        for agent in ("ddpg", "ddpg_ids"):
            versus = {cell["versus"] for cell in methods[agent].values()}
            assert versus < BESIDE
    added = metrics["content_added"]
    assert added["versus"] == "ddpg_ids"
    assert set(added["methods"]) == {"ddpg"}
    rated = metrics["protocols"]["rated"]
    assert added["methods"]["ddpg"]["rated"]["ndcg@5"]["mean"] == pytest.approx(
        rated["ddpg"]["ndcg@5"]["mean"] - rated["ddpg_ids"]["ndcg@5"]["mean"]
    )
    assert metrics["encoders"] == {"video": "random video", "text": "random text"}
    chance = metrics["chance"]["cold_items"]["ndcg@10"]
    by_ids = metrics["protocols"]["cold_items"]["ddpg_ids"]["ndcg@10"]
    assert by_ids["low"] <= chance <= by_ids["high"]


def test_the_report_says_in_words_and_in_a_plot_what_content_added(whole):
    _, run, _, _, metrics, text = whole
    written = (run.folder / "report.md").read_text(encoding="utf-8")
    for words in ("## What content adds", "by ddpg_ids", "- video: random video", "`cold_users`"):
        assert words in written
        assert words in text
    for protocol in metrics["protocols"]:
        assert sum(line.startswith(f"- `{protocol}`:") for line in text.splitlines()) == 1
    assert "](content.png)" in written
    assert (run.folder / "content.png").read_bytes().startswith(b"\x89PNG")
    assert read_json(run.folder / "metrics.json")["content_added"]["versus"] == "ddpg_ids"


def test_what_is_saved_recommends_items_that_nobody_has_rated(whole):
    _, run, _, judged, *_ = whole
    log = judged.dataset.interactions
    unseen = np.setdiff1d(judged.cold.candidates, log.item[log.user == 0])
    assert len(unseen) > 3
    found = load(run.folder / "agent.drrec").recommend([log.users.raw[0]], k=100)
    scores = dict(zip(found["item"], found["score"], strict=True))
    assert len({scores[str(log.items.raw[item])] for item in unseen}) == len(unseen)
    assert not set(found["item"]) & set(log.items.raw[log.item[log.user == 0]])


def test_what_stopped_between_agent_and_control_goes_on(whole, tmp_path, monkeypatch):
    folder, run, config, judged, *_ = whole
    _, content = inputs(config, folder)
    begun, as_ever = [], train.train

    def interrupted(agent, steps, place, weights, label, *rest):
        begun.append(label)
        return "ids" not in label and as_ever(agent, steps, place, weights, label, *rest)

    shutil.copytree(folder / "save_weights" / "embeddings", tmp_path / "save_weights/embeddings")
    again = Run.create(tmp_path, "first", config)
    with monkeypatch.context() as patch:
        patch.setattr(train, "train", interrupted)
        assert not train_run(again, config, judged, content)
    assert begun == ["ddpg, video,text early, seed 0", "ddpg, ids, seed 0"]
    assert not (again.folder / "ids" / "agent.drrec").exists()
    with pytest.raises(InputError, match=r"first/ids.*Finish its training first"):
        evaluate_run(again, config, judged, content)
    assert train_run(again, config, judged, content)
    assert_same_export(again.folder, run.folder)
    assert_same_export(again.folder / "ids", run.folder / "ids")


@pytest.mark.parametrize(
    "settings", [{"encoder": "finetuned", "identity": "none"}, {"identity": "half"}]
)
def test_other_ways_to_join_content_and_ids_run(tiny_interactions, tmp_path, settings):
    chosen = dataclasses.replace(KNOWN, **settings)
    config = fitted_once(world(tmp_path, tiny_interactions, content=chosen, control=False))
    judged, content = inputs(config, tmp_path)
    run = Run.create(tmp_path, "first", config)
    assert train_run(run, config, judged, content)
    assert not (run.folder / "ids").exists()
    pretrained = embed(config, judged.train, tmp_path / "save_weights", content)
    served, table = arrays(run.folder / "agent.drrec")["item_vectors"], pretrained.final.table
    assert served.shape == (81, 5)
    moved = (served != table.item).any(axis=1)
    assert not moved[0]
    assert moved[1:].all() == ("encoder" in settings)
    metrics = evaluate_run(run, config, judged, content)
    assert set(metrics["protocols"]["rated"]) == {*BESIDE, "ddpg"}
    assert "content_added" not in metrics


def test_vectors_are_fitted_again_for_other_features_alone(whole, tmp_path, monkeypatch):
    folder, _, config, judged, *_ = whole
    shutil.copytree(folder / "data", tmp_path / "data")
    _, content = inputs(config, tmp_path)
    weights = folder / "save_weights"
    first = embed(config, judged.train, weights, content)

    def refuse(*_, **__):
        raise AssertionError("fitted again")

    monkeypatch.setattr(vectors, "pretrain", refuse)
    tuned = content._replace(config=dataclasses.replace(KNOWN, encoder="finetuned"))
    for known in (inputs(config, tmp_path)[1], tuned):
        again = embed(config, judged.train, weights, known)
        for one, other in zip(first, again, strict=True):
            np.testing.assert_array_equal(one.table.item, other.table.item)
            for weight, same in zip(
                one.encoder.get_weights(), other.encoder.get_weights(), strict=True
            ):
                np.testing.assert_array_equal(weight, same)
    write_random_features(config, tmp_path / "data", seed=1)
    late = dataclasses.replace(KNOWN, fusion="late")
    for known in (inputs(config, tmp_path)[1], content._replace(config=late), None):
        with pytest.raises(AssertionError, match="fitted again"):
            embed(config, judged.train, weights, known)


def test_features_may_lie_elsewhere(tiny_interactions, tmp_path):
    elsewhere = tmp_path / "elsewhere" / "mine.h5"
    config = world(tmp_path, tiny_interactions, features=str(elsewhere))
    with pytest.raises(InputError, match=r"mine\.h5\. Received: nothing there"):
        inputs(config, tmp_path)
    write_random_features(config, tmp_path / "data", path=elsewhere)
    assert not features_path(tmp_path / "data", load_dataset(config.dataset).key).exists()
    assert list(inputs(config, tmp_path)[1].features) == ["video", "text"]
    with pytest.raises(InputError, match="Expected audio features"):
        inputs(dataclasses.replace(config, content=ContentConfig(modality="audio")), tmp_path)


def test_features_that_are_missing_are_made_and_stdout_is_left_alone(
    tiny_interactions, tmp_path, monkeypatch, capfd, caplog
):
    caplog.set_level("INFO")
    config = world(tmp_path, tiny_interactions)
    path = features_path(tmp_path / "data", load_dataset(config.dataset).key)
    made = path.read_bytes()
    path.unlink()

    def extracted(config, dataset, data_dir):
        path.write_bytes(made)
        return f"made {config.modality} of {config.dataset} in {data_dir}"

    monkeypatch.setattr(vectors, "extract_apart", extracted)
    assert inputs(config, tmp_path)[1].encoders == {"video": "random video", "text": "random text"}
    assert capfd.readouterr().out == ""  # it may be that of `eval.py --json`
    assert f"made video,text of {config.dataset} in {tmp_path / 'data'}" in caplog.messages


def test_why_features_cannot_be_made_is_said_once(tiny_interactions, tmp_path, capfd):
    audio = world(tmp_path, tiny_interactions, content=ContentConfig(modality="text,audio"))
    with pytest.raises(InputError, match=r"media of log in trailers/ .* --modality audio`, then"):
        inputs(audio, tmp_path)  # what is there, text, is not asked for again
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "Expected" not in captured.err


def test_too_few_items_with_features_are_refused_before_a_run_has_a_folder(
    tiny_interactions, tmp_path, capsys
):
    config = world(tmp_path, tiny_interactions)
    dataset = Task.load(config, tmp_path).dataset
    few = np.arange(80) < 4
    rows = FeatureRows(features=np.ones((80, 2), np.float32), present=few, encoder="few")
    write_features(tmp_path / "few.h5", dataset, {"text": rows})
    argv = ["--dataset", "log.csv", "--modality", "text", "--features", "few.h5", "--gpu", "-1"]
    argv += ["--min-items", "5"]
    with contextlib.chdir(tmp_path):
        assert cli.run(cli.Train, argv=argv) == 2
    said = capsys.readouterr().err
    assert "features of at least 5 items that have ratings to train on. Received: of 4" in said
    assert not (tmp_path / "save_model").exists()


def test_a_log_without_ratings_needs_vectors_and_rewards_that_need_none(
    tiny_interactions, tmp_path
):
    likes = tiny_interactions.where(tiny_interactions.rating > 3)
    likes = dataclasses.replace(likes, rating=np.ones_like(likes.rating))
    config = world(tmp_path, likes, cold_items=0.2)
    with pytest.raises(InputError, match="--embedding implicit --unlogged constant for log"):
        Task.load(config, tmp_path / "data")
    config = dataclasses.replace(
        fitted_once(config, embedding="implicit"),
        environment=dataclasses.replace(config.environment, unlogged="constant"),
    )
    judged, content = inputs(config, tmp_path)
    run = Run.create(tmp_path, "first", config)
    assert train_run(run, config, judged, content)
    metrics = evaluate_run(run, config, judged, content)
    assert set(metrics["protocols"]) == {"ranked", "cold_items"}
    assert "content_knn" in metrics["protocols"]["ranked"]


def test_configs_of_runs_with_content_come_back(whole):
    config = whole[2]
    assert from_dict(type(config), dataclasses.asdict(config), "here") == config


def test_eval_finds_the_latest_run_that_knows_content(whole, tmp_path, capsys):
    folder, run, config, *_ = whole
    plain = dataclasses.replace(config, content=ContentConfig())
    later = Run.create(folder, "later", plain)
    try:
        assert Run.latest(folder).name == "later"
        with contextlib.chdir(folder):
            capsys.readouterr()
            assert cli.run(cli.Eval, argv=["--with-content", "--json", "--gpu", "-1"]) == 0
        assert capsys.readouterr().out == (run.folder / "metrics.json").read_text()
    finally:
        (later.folder / "config.yaml").unlink()
        later.folder.rmdir()
    with contextlib.chdir(tmp_path):
        assert cli.run(cli.Eval, argv=["--with-content", "--gpu", "-1"]) == 2
    assert "train_modality.sh" in capsys.readouterr().err
