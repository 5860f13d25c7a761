"""A run goes on from another with the feedback of a store: joined logs, starts and new runs."""

import contextlib
import dataclasses
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.agents.test_training import ENVIRONMENT, wait_for
from tests.agents.tiny import small_config, values_of, write_csv
from tests.brief import eagerly
from tests.serving.test_session_routes import answer, next_of, opened

import drrec
from drrec import cli
from drrec.agents.checkpoint import checkpoints, latest_values
from drrec.agents.items import LearnedItemTable
from drrec.agents.runlog import columns
from drrec.data.config import LogConfig
from drrec.data.datasets import load_dataset
from drrec.data.joining import NewRow, taken_from, write_joined
from drrec.evaluation import figures
from drrec.experiment.run import UPDATE, Run
from drrec.experiment.start import Start
from drrec.experiment.task import Task
from drrec.experiment.train import build_agent
from drrec.experiment.vectors import embed
from drrec.reading import read_json
from drrec.serving.app import application
from drrec.serving.config import ServeConfig
from drrec.serving.engine import Engine
from drrec.serving.models import Source
from drrec.serving.queries import Query
from drrec.serving.server import Job, made_service

FLAGS = shlex.split(
    "--dataset log.csv --steps 32 --min-items 5 --embedding variational --dim-emb 5 "
    "--held-out 0.4 --unlogged never --state-size 3 --episode-length 4 --dim-actor 8 "
    "--dim-critic 8 --batch-size 16 --memory-size 128 --num-envs 4 --gpu -1 --dim-learned 2 "
    "--baselines popularity --name first"
)
UPDATED = shlex.split("update --run first --from s.db --gpu -1 --name second")
NEW_ROWS = [
    NewRow("u00", "i01", 5.0, 1, "s"),  # given twice: a dislike before
    NewRow("session x", "film/é", 2.5, 1_900_000_000, "x"),
    NewRow("u00", "film/é", 4.0, 1_900_000_001, "s"),
]


@pytest.fixture(scope="module", autouse=True)
def _in_python():
    # So few steps are not worth a trace, and to draw figures takes as long as to train.
    with eagerly((figures, "_save", lambda figure, path: None)):
        yield


@pytest.fixture(scope="module")
def trained(tiny_interactions, tmp_path_factory):
    """A folder with a log, a run, and a store with feedback that came by HTTP."""
    folder = tmp_path_factory.mktemp("trained")
    write_csv(tiny_interactions, folder / "log.csv")
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        assert cli.run(cli.Train, argv=FLAGS) == 0
        feed(folder)
    return folder


def feed(folder, user="carla"):
    """Feedback of somebody new, of a known user, and of nobody."""
    source = Source(run="first", root=str(folder))
    config = ServeConfig(watch=0, hosts="testserver")
    with TestClient(
        application(made_service(Job(config=config, main=source, also=None, store="s.db")))
    ) as c:
        session = opened(c, user=user)
        for number, item in enumerate(next_of(c, session, 8)):
            answer(c, session, f"e{number}", item, rating=5 if number % 2 else 1)
        for name in ("u01", None):
            session = opened(c, user=name)
            answer(c, session, "e", next_of(c, session, 1)[0], feedback="like")


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    """A copy of it, to be worked in."""
    shutil.copytree(trained, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def add(line):
    with open("log.csv", "a", encoding="utf-8") as file:
        file.write(line)


def updated(*flags):
    return cli.run(*cli.STAGES, argv=[*UPDATED, *flags])


def test_feedback_comes_back_as_a_run_that_knows_who_gave_it(here, capsys):
    assert updated() == 0
    new, old = Run(here, "second"), Run(here, "first")
    note = read_json(new.folder / "metrics.json")["update"]
    expected = {"from": "first", "events": 10, "new_users": 2, "new_items": 0, "steps": 8}
    assert note | expected == note
    assert note["learned_before"] == 0
    config = new.config()
    assert config.steps == 40
    same = {"steps": 32, "dataset": "log.csv", "log": LogConfig(), "repeats": None}
    assert dataclasses.replace(config, **same) == old.config()
    assert int(latest_values(new.weights)["/iteration"]) == 10
    engine = Engine.load(new.served_file())
    seen = engine.known.item[slice(*engine.known.offsets[engine.users.dense("carla") :][:2])]
    assert len(seen) == 8
    found = engine.recommend([Query(user="carla")], 80)[0]
    assert {each.item for each in found}.isdisjoint(engine.items.raw[seen].tolist())
    # Recommended to as others are, and taken up by the server like any run.
    assert Source(run=None, root=str(here)).path() == new.served_file()
    capsys.readouterr()
    assert cli.run(*cli.STAGES, argv=["recommend", "--run", "second", "--user", "carla"]) == 0
    assert "carla" in capsys.readouterr().out

    # Nothing new, to the old run and to the new one; then something.
    for run in ("first", "second"):
        argv = ["update", "--run", run, "--from", "s.db", "--gpu", "-1"]
        assert cli.run(*cli.STAGES, argv=argv) == 0
        assert capsys.readouterr().out == f"nothing new in s.db since {run}\n"
    assert len(list((here / "save_model").iterdir())) == 2
    feed(here, user="dora")
    argv = ["update", "--from", "s.db", "--gpu", "-1", "--name", "third", "--steps-share", "0.1"]
    assert cli.run(*cli.STAGES, argv=argv) == 0
    third = read_json(here / "save_model/third" / UPDATE)
    assert (third["from"], third["events"], third["steps"]) == ("second", 10, 3)
    users = Engine.load(Run(here, "third").served_file()).users
    assert "carla" in users
    assert "dora" in users


def test_the_new_run_begins_where_the_old_one_ended(here):
    old = Run(here, "first")
    task = Task.load(old.config(), here / "data")
    start = Start.after(old, old.config())
    start.write(here / "save_model" / "first")
    again = Start.of(old)
    pretrained = embed(old.config(), task.train, here / "save_weights")
    agent = build_agent(old.config(), task, pretrained.prefix)
    again.handed_to(agent, task.dataset.interactions.items)
    kept, now = latest_values(old.weights), values_of(agent)
    for name, value in now.items():
        if name.startswith("/networks") and "items/" not in name:
            np.testing.assert_array_equal(value, kept[name], err_msg=name)
    assert agent.iteration == kept["/iteration"] == 8
    # What was learned of items is theirs: the policy is the old one.
    agent.finish(task.train_data, pretrained.final)
    model = drrec.load(old.model_file())
    users = np.arange(5)
    np.testing.assert_allclose(
        agent.score(users, model.known.history[users]),
        model.score(users, model.known.history[users]),
        atol=1e-5,
    )


def test_without_checkpoints_state_and_actor_go_on(here, caplog):
    old = Run(here, "first")
    whole = Start.after(old, old.config())
    shutil.rmtree(old.weights)
    start = Start.after(old, old.config())
    assert "has no checkpoint" in caplog.text
    assert start.iteration == whole.iteration
    assert {name.split("/")[2] for name in start.networks} == {"state", "actor"}
    for name, value in start.networks.items():
        np.testing.assert_array_equal(value, whole.networks[name])


def test_rows_of_items_follow_their_ids():
    start = Start(
        np.array(["", "b", "d"], object), np.array([[0, 0], [1, 5], [3, 7.0]]), {}, iteration=3
    )
    items = drrec.data.ids.IdMap(np.array(["", "a", "b", "c", "d"], object), "item")
    expected = [[0, 0], [2, 6], [1, 5], [2, 6], [3, 7]]
    assert start.vectors_of(items).tolist() == expected
    table = LearnedItemTable(drrec.agents.items.ItemTable(np.zeros((5, 1), np.float32)), 1, 0)
    drawn = np.array(table.learned)
    table.go_on_from(start._by_item(start.vectors, items, np.nan))
    assert np.array(table.learned)[[2, 4]].tolist() == [[5], [7]]
    assert (np.array(table.learned)[[1, 3]] == drawn[[1, 3]]).all()


def test_vectors_keep_their_axes(here):
    old = Run(here, "first")
    task = Task.load(old.config(), here / "data")
    before = Start.after(old, old.config()).vectors[1:, :4]
    kept = embed(old.config(), task.train, here / "w", start=Start.after(old, old.config()).vectors)
    other = dataclasses.replace(old.config(), seed=1)
    anew = embed(other, task.train, here / "w")
    near, far = (np.linalg.norm(each.final.table.item[1:, :4] - before) for each in (kept, anew))
    assert near < 0.1 * np.linalg.norm(before) < far


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda: os.remove("log.csv"), "It is the log that first was trained on"),
        (lambda: add("u00,i99,5,999999999\n"), "train a new run on what is"),
        (lambda: os.remove("s.db"), "'s.db', where there is none"),
        (lambda: os.remove("save_model/first/agent.drrec"), "--resume first"),
        (lambda: os.mkdir("save_model/second"), "'second', which is there"),
    ],
)
def test_what_cannot_go_on_is_refused_in_one_line(here, capsys, damage, words):
    damage()
    before = sorted(os.listdir("save_model"))
    capsys.readouterr()
    assert updated() == 2
    said = capsys.readouterr().err.splitlines()
    assert words in said[-1]
    assert sorted(os.listdir("save_model")) == before


KILLED = """
import sys
from tests.brief import eagerly
from drrec import cli
from drrec.agents import training
training._CHUNK_STEPS, training._CHECKPOINT_SECONDS = 4, -1.0
with eagerly():
    sys.exit(cli.run(*cli.STAGES, argv=sys.argv[1:]))
"""


def test_an_update_that_is_killed_goes_on_by_the_same_command(here, caplog):
    caplog.set_level("INFO")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, *UPDATED, "--steps-share", "3"],
        env=ENVIRONMENT,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    new = Run(here, "second")
    try:
        wait_for(lambda: len(checkpoints(new.weights)) == 2, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    at = int(latest_values(new.weights)["/iteration"])
    assert 8 < at < 32
    assert not (new.folder / "agent.drrec").exists()
    log = columns(new.folder / "training.csv")
    kept = sum(step <= at * 4 for step in log["step"])
    argv = ["update", "--run", "first", "--from", "s.db", "--gpu", "-1"]
    assert cli.run(*cli.STAGES, argv=argv) == 0
    assert "second is not trained to its end: going on with it" in caplog.text
    assert int(latest_values(new.weights)["/iteration"]) == 32
    found = columns(new.folder / "training.csv")["steps_per_second"]
    assert found[:kept] == log["steps_per_second"][:kept] != []  # no step of these was made again
    assert sorted(os.listdir("save_model")) == ["first", "second"]
    assert "carla" in Engine.load(new.served_file()).users


def joined(dataset, folder, rows):
    made = write_joined(folder / dataset.name, dataset, taken_from(dataset, rows))
    config = small_config(made.folder, log=made.log, repeats=made.repeats)
    return load_dataset(config.dataset, "", config.repeats, config.log)


def pairs(log, values=None):
    columns = log.users.raw[log.user], log.items.raw[log.item]
    return dict(zip(zip(*columns, strict=True), values or log.rating.tolist(), strict=True))


def test_a_joined_log_is_the_old_one_and_what_came_last(tiny_dataset, tmp_path):
    genres = np.array(["Film-Noir, Sci-Fi", *["War"] * (len(tiny_dataset.titles) - 1)])
    genres[0] = ""
    dataset = dataclasses.replace(tiny_dataset, genres=genres)
    again = joined(dataset, tmp_path, NEW_ROWS)
    log, before = again.interactions, dataset.interactions
    assert pairs(log) == pairs(before) | {(row.user, row.item): row.rating for row in NEW_ROWS}
    own = log.where(log.user == log.users.dense("u00"))
    assert log.items.raw[own.item][-2:].tolist() == ["i01", "film/é"]
    assert (log.timestamp >= before.timestamp.min()).all()
    assert own.timestamp[-2] >= before.timestamp.max()
    titles = dict(zip(log.items.raw.tolist(), again.titles.tolist(), strict=True))
    assert (titles["i01"], titles["film/é"]) == ("Film i01", "")
    assert again.genres[log.items.dense("i01")] == "War"
    assert again.name == dataset.name
    assert joined(again, tmp_path / "more", []).interactions.fingerprint == log.fingerprint


def test_of_implicit_feedback_likes_count_and_weights_stay(tiny_dataset, tmp_path):
    log = tiny_dataset.interactions
    weight = np.random.default_rng(0).uniform(0.5, 1.5, len(log)).astype(np.float32)
    weight /= weight.mean()
    plain = dataclasses.replace(log, rating=np.full(len(log), 5, np.float32))
    for interactions in (plain, dataclasses.replace(plain, weight=weight)):
        dataset = dataclasses.replace(tiny_dataset, interactions=interactions)
        folder = tmp_path / str(interactions.weight is None)
        again = joined(dataset, folder, NEW_ROWS)
        assert again.is_implicit
        found = pairs(again.interactions)
        assert ("session x", "film/é") not in found
        assert found.keys() == pairs(log).keys() | {("u00", "i01"), ("u00", "film/é")}
    new = again.interactions
    got, old = pairs(new, new.weight.tolist()), pairs(log, weight.tolist())
    size = got[("u00", "film/é")]
    assert size == pytest.approx(1, abs=0.01)
    assert all(
        got[pair] == pytest.approx(old[pair] * size, rel=1e-4)
        for pair in old
        if pair != ("u00", "i01")
    )


def test_parts_and_sessions_are_kept_and_new_rows_train(tiny_dataset, tmp_path):
    log = tiny_dataset.interactions
    parts = np.random.default_rng(0).integers(0, 3, len(log)).astype(np.int8)
    session = np.arange(len(log), dtype=np.int32) // 7
    dataset = dataclasses.replace(
        tiny_dataset, parts=parts, interactions=dataclasses.replace(log, session=session)
    )
    again = joined(dataset, tmp_path, NEW_ROWS)
    got = pairs(again.interactions, again.parts.tolist())
    expected = pairs(log, parts.tolist()) | {(row.user, row.item): 0 for row in NEW_ROWS}
    assert got == expected
    own = pairs(again.interactions, again.interactions.session.tolist())
    assert own[("u00", "i01")] == own[("u00", "film/é")] != own[("session x", "film/é")]


def test_what_the_old_run_learned_and_is_evaluated_on_is_said(here, caplog):
    config = Run(here, "first").config()
    text = (here / "save_model/first/config.yaml").read_text(encoding="utf-8")
    assert "split: temporal" in text
    with contextlib.redirect_stdout(io.StringIO()):
        argv = [*FLAGS[:-1], "random", "--split", "random"]
        assert cli.run(cli.Train, argv=argv) == 0
        argv = ["update", "--run", "random", "--from", "s.db", "--gpu", "-1", "--name", "next"]
        assert cli.run(*cli.STAGES, argv=argv) == 0
    metrics = json.loads((here / "save_model/next/metrics.json").read_text(encoding="utf-8"))
    count = metrics["update"]["learned_before"]
    old = Task.load(dataclasses.replace(config, split="random"), here / "data")
    new = Task.load(Run(here, "next").config(), here / "data")
    both = pairs(old.train).keys() & pairs(new.test).keys()
    assert count == len(both) > 100
    assert any("results may be too good" in each for each in metrics["warnings"])
