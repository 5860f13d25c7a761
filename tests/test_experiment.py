"""The stages of a run and how they are put together; iterations run in Python, not compiled."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from tests.agents.tiny import small_config, write_csv
from tests.brief import brief_figures, eagerly

from drrec.agents.checkpoint import checkpoints
from drrec.data.config import LogConfig
from drrec.embeddings.config import EmbeddingConfig
from drrec.embeddings.pretrain import Pretrained, pretrain
from drrec.embeddings.table import Embeddings
from drrec.envs.config import LoggedConfig
from drrec.errors import InputError
from drrec.evaluation.cost import read_cost
from drrec.experiment import train, vectors
from drrec.experiment.config import RunConfig
from drrec.experiment.evaluating import evaluate_run, report_run
from drrec.experiment.run import Run
from drrec.experiment.task import Task
from drrec.experiment.train import build_agent, train_run
from drrec.experiment.vectors import embed


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    brief_figures(monkeypatch)
    with eagerly():
        yield


@pytest.fixture
def config(tiny_interactions, tmp_path):
    return small_config(write_csv(tiny_interactions, tmp_path / "log.csv"), steps=8)


def load(config, tmp_path):
    return Task.load(config, tmp_path / "data")


def keys(*logs):
    """(user, item) of every row."""
    return {
        (u, i) for log in logs for u, i in zip(log.user.tolist(), log.item.tolist(), strict=True)
    }


def test_the_test_is_judged_after_a_fit_on_train_and_validation(config, tmp_path):
    judged = load(config, tmp_path)
    choosing = load(dataclasses.replace(config, judge="validation"), tmp_path)
    assert keys(judged.train) == keys(choosing.train, choosing.test)
    assert keys(judged.train).isdisjoint(keys(judged.test))
    assert keys(choosing.train, choosing.test).isdisjoint(keys(judged.test))
    everything = keys(judged.dataset.interactions)
    assert keys(judged.train, judged.test) == everything


def test_vectors_are_read_again_and_not_fitted_again(config, tmp_path, monkeypatch):
    train = load(config, tmp_path).train
    first = embed(config, train, tmp_path / "weights")

    def refuse(*_, **__):
        raise AssertionError("fitted again")

    with monkeypatch.context() as patch:
        patch.setattr(vectors, "pretrain", refuse)
        again = embed(dataclasses.replace(config, steps=99), train, tmp_path / "weights")
        for one, other in zip(first, again, strict=True):
            np.testing.assert_array_equal(one.table.item, other.table.item)
            np.testing.assert_array_equal(one.table.user, other.table.user)
        other_share = dataclasses.replace(config.vectors, held_out=0.3)
        for changed in (
            dataclasses.replace(config, seed=1),
            dataclasses.replace(config, vectors=other_share),
        ):
            with pytest.raises(AssertionError, match="fitted again"):
                embed(changed, train, tmp_path / "weights")
        with pytest.raises(AssertionError, match="fitted again"):
            embed(config, train.where(train.user > 0), tmp_path / "weights")


def test_vectors_of_other_ratings_are_refused(config, tmp_path):
    train = load(config, tmp_path).train
    embed(config, train, tmp_path / "weights")
    for path in (tmp_path / "weights" / "embeddings").glob("*/*.npz"):
        dataclasses.replace(Embeddings.load(path), fingerprint="other").save(path)
    with pytest.raises(InputError, match="Expected vectors of ratings"):
        embed(config, train, tmp_path / "weights")


@pytest.mark.parametrize("held_out", [0.4, 0.0])
def test_sessions_hand_out_what_is_held_out_or_all_but_the_opening(config, tmp_path, held_out):
    chosen = EmbeddingConfig(embedding="variational", dim_emb=5, popularity=0.0, held_out=held_out)
    config = dataclasses.replace(config, vectors=chosen)
    judged = load(config, tmp_path)
    train = judged.train
    tables = pretrain(train, chosen, 0)
    env = build_agent(config, judged, tables.prefix).environment
    users = tf.range(train.num_users)
    start = env.start(users)
    shown = env.available(users, start.shown).numpy()
    for user in range(train.num_users):
        theirs = train.item[train.user == user].tolist()
        likes = [i for i, r in zip(theirs, train.rating[train.user == user], strict=True) if r > 3]
        if held_out:
            cut = len(theirs) - int(0.4 * len(theirs))
            opening, handed_out = [i for i in theirs[:cut] if i in likes][-3:], theirs[cut:]
        else:
            opening = likes[:3]
            handed_out = [i for i in theirs if i not in opening]
        assert set(np.flatnonzero(shown[user]).tolist()) == set(handed_out)
        assert start.history[user].numpy().tolist() == [0] * (3 - len(opening)) + opening


def test_model_rewards_come_from_the_vectors(config, tmp_path):
    environment = LoggedConfig(unlogged="model", state_size=3, episode_length=4)
    config = dataclasses.replace(config, environment=environment)
    judged = load(config, tmp_path)
    train = judged.train
    prefix = pretrain(train, config.vectors, 0).prefix
    env = build_agent(config, judged, prefix).environment
    table = prefix.table
    unseen = next(i for i in range(1, train.num_items) if i not in train.item[train.user == 0])
    predicted = np.clip(table.mean + table.user[0] @ table.item[unseen], 1, 5)
    paid = float(env.reward(tf.constant([0]), tf.constant([unseen]))[0])
    assert paid == pytest.approx((predicted - 3) / 2, abs=1e-5)


def test_the_rehearsal_trains_and_the_deployed_serves(config, tmp_path):
    judged = load(config, tmp_path)
    run = Run.create(tmp_path, "first", config)
    assert train_run(run, config, judged)
    tables = embed(config, judged.train, tmp_path / "save_weights")
    assert isinstance(tables, Pretrained)
    with np.load(run.folder / "agent.drrec") as export:
        np.testing.assert_array_equal(export["item_vectors"], tables.final.table.item)
        np.testing.assert_array_equal(export["user_vectors"], tables.final.table.user)
        np.testing.assert_array_equal(export["known/history"], judged.train.liked_histories(3))
    assert (tables.final.table.item != tables.prefix.table.item).any()


def test_several_seeds_train_apart_and_are_reported_together(config, tmp_path):
    config = dataclasses.replace(config, seed=3, seeds=2)
    judged = load(config, tmp_path)
    run = Run.create(tmp_path, "both", config)
    assert train_run(run, config, judged)
    exports = []
    for seed in (3, 4):
        folder = run.folder / f"seed-{seed}"
        assert (folder / "config.yaml").is_file()
        assert (folder / "training.csv").is_file()
        assert checkpoints(tmp_path / "save_weights" / "both" / f"seed-{seed}")
        with np.load(folder / "agent.drrec") as file:
            exports.append(file["weights/actor/0"])
    assert (exports[0] != exports[1]).any()
    content = evaluate_run(run, config, judged)
    methods = content["protocols"]["rated"]
    assert set(methods) == {"random", "popularity", "ddpg"}
    text = report_run(run, config, content)
    assert "ddpg" in text
    assert json.loads((run.folder / "metrics.json").read_text())["protocols"].keys() == {"rated"}

    alone = dataclasses.replace(config, seed=4, seeds=1)
    single = Run.create(tmp_path, "single", alone)
    assert train_run(single, alone, judged)
    with np.load(single.folder / "agent.drrec") as file:
        np.testing.assert_array_equal(file["weights/actor/0"], exports[1])


def test_what_it_took_adds_up_over_sessions_with_the_vectors_once(config, tmp_path):
    config = dataclasses.replace(config, seed=3, seeds=2)
    judged = load(config, tmp_path)
    run = Run.create(tmp_path, "both", config)
    assert train_run(run, config, judged)
    folders = [run.folder / f"seed-{seed}" for seed in (3, 4)]
    first = [read_cost(folder / "fit.json") for folder in folders]
    vectors = [read_cost(path) for path in (tmp_path / "save_weights/embeddings").rglob("fit.json")]
    assert len(vectors) == 2
    assert all(0 < each.seconds < one.seconds for each, one in zip(vectors, first, strict=True))
    for folder in folders:
        (folder / "agent.drrec").unlink()  # as if it had been interrupted
    assert train_run(run, config, judged)
    again = [read_cost(folder / "fit.json") for folder in folders]
    for one, other in zip(first, again, strict=True):
        assert one.seconds < other.seconds
        assert other.peak_memory >= one.peak_memory > 1e7

    content = evaluate_run(run, config, judged)
    costs = content["made_by"]["costs"]
    assert list(costs) == ["random", "popularity", "ddpg"]
    assert costs["ddpg"]["fit"]["seconds"] == pytest.approx(np.mean([c.seconds for c in again]))
    for cost in costs.values():
        for each in (cost["fit"], cost["scoring"]["rated"]):
            assert each["seconds"] > 0
            assert each["peak_memory"] > 1e7
    assert "| ddpg       | " in report_run(run, config, content).partition("## What it took")[2]

    values = pd.read_csv(run.folder / "values.csv.gz", dtype={"user": str})
    means = values.groupby(["protocol", "method", "metric"])["value"].mean()
    for protocol, methods in content["protocols"].items():
        for method, cells in methods.items():
            for metric, cell in cells.items():
                assert cell["mean"] == pytest.approx(means[protocol, method, metric])
    assert set(values["user"]) <= set(judged.dataset.interactions.users.raw)
    assert set(values["seed"]) == {3, 4}


def test_leaving_one_out_is_judged_over_the_whole_catalogue(config, tmp_path):
    config = dataclasses.replace(config, split="leave_one_out")
    judged = load(config, tmp_path)
    run = Run.create(tmp_path, "first", config)
    assert train_run(run, config, judged)
    content = evaluate_run(run, config, judged)
    assert set(content["protocols"]) == {"full"}
    assert "hr@10" in content["protocols"]["full"]["ddpg"]


def test_an_interrupted_seed_ends_the_run(config, tmp_path, monkeypatch):
    config = dataclasses.replace(config, seeds=2)
    begun = []
    monkeypatch.setattr(train, "train", lambda *given: begun.append(given[2]) and False)
    assert not train_run(Run.create(tmp_path, "first", config), config, load(config, tmp_path))
    assert [folder.name for folder in begun] == ["seed-0"]
    assert not list(tmp_path.rglob("agent.drrec"))


def refusal(path, **settings):
    with pytest.raises(InputError) as caught:
        Task.load(RunConfig(dataset=str(path), **settings), path.parent)
    return str(caught.value)


def test_what_can_be_known_is_checked_before_the_first_step(tiny_interactions, tmp_path):
    path = write_csv(tiny_interactions, tmp_path / "log.csv")
    said = refusal(path, min_items=500)
    assert "at least 500 ratings in the test part" in said
    assert "--min-items" in said
    said = refusal(path, log=LogConfig(rating_scale="1,100"))
    assert "Received: no like, read as from 1 to 100, liked from 75.25. Pass --like-from" in said
    assert "validation_share" in refusal(path, test_share=0.95)


def test_shares_are_the_splits(tiny_interactions, tmp_path):
    path = write_csv(tiny_interactions, tmp_path / "log.csv")
    config = RunConfig(dataset=str(path), test_share=0.4, min_items=3)
    task = Task.load(config, tmp_path)
    share = len(task.test) / len(task.dataset.interactions)
    assert 0.4 <= share < 0.45


def test_a_small_catalogue_is_said(tmp_path, caplog):
    rows = [(user, item, (user + item) % 5 + 1) for user in range(20) for item in range(7)]
    lines = "".join(f"u{user},{item},{rating}\n" for user, item, rating in rows)
    (tmp_path / "log.csv").write_text("user,item,rating\n" + lines)
    Task.load(RunConfig(dataset=str(tmp_path / "log.csv"), min_items=1), tmp_path)
    assert "the catalogue has 7 items" in caplog.text


def test_the_final_fit_changes_nothing_but_what_is_served(config, tmp_path):
    found = {}
    for final_fit in (True, False):
        chosen = dataclasses.replace(config, final_fit=final_fit, seeds=2)
        task = load(chosen, tmp_path)
        run = Run.create(tmp_path, f"run-{final_fit}", chosen)
        assert train_run(run, chosen, task)
        models = sorted(run.folder.rglob("*.drrec"))
        found[final_fit] = {}
        for path in models:
            with np.load(path) as arrays:
                name = str(path.relative_to(run.folder))
                found[final_fit][name] = {key: arrays[key] for key in arrays.files}
    served = found[True].pop("seed-0/served.drrec")
    assert found[True].keys() == found[False].keys() == {f"seed-{n}/agent.drrec" for n in (0, 1)}
    for name, arrays in found[True].items():
        for key, value in arrays.items():
            np.testing.assert_array_equal(value, found[False][name][key], err_msg=f"{name} {key}")
    task, length = load(config, tmp_path), served["known/history"].shape[1]
    whole = task.dataset.interactions.liked_histories(length)
    np.testing.assert_array_equal(served["known/history"], whole)
    evaluated = found[True]["seed-0/agent.drrec"]
    np.testing.assert_array_equal(evaluated["known/history"], task.train.liked_histories(length))
    assert (served["item_vectors"] != evaluated["item_vectors"]).any()


def test_genres_are_noted_where_the_data_set_has_them(config, tmp_path):
    task = load(config, tmp_path)
    raw = task.dataset.interactions.items.raw
    genres = np.array(["Drama, Crime" if each == "i03" else "" for each in raw])
    known = dataclasses.replace(task, dataset=dataclasses.replace(task.dataset, genres=genres))
    run = Run.create(tmp_path, "with", config)
    assert train_run(run, config, known)
    text = (run.folder / "genres.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"i03": "Drama, Crime"}
    other = Run.create(tmp_path, "without", config)
    train.write_genres(other, task)
    assert not (other.folder / "genres.json").exists()
