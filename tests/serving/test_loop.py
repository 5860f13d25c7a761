"""What was served comes back: as a log to train on, and as what another run would have earned."""

import dataclasses
import json
import random

import pytest
from starlette.testclient import TestClient
from tests.serving.test_session_routes import answer, next_of, opened
from tests.serving.test_store import ANN, LIKE, LIST, NOBODY, RATING
from tests.serving.tiny import ITEMS, TinyEngine

import drrec
from drrec import cli
from drrec.errors import InputError
from drrec.serving import judging
from drrec.serving.app import application
from drrec.serving.exploring import drawn
from drrec.serving.exporting import write_log
from drrec.serving.queries import Query
from drrec.serving.records import Event, Session, Shown
from drrec.serving.store import Store


def test_feedback_becomes_a_log_that_can_be_trained_on(store, tmp_path):
    skip = dataclasses.replace(LIKE, session="b", event="3", kind="skip", item='o"d/, y')
    dislike = dataclasses.replace(LIKE, session="b", event="4", kind="dislike", item="j")
    store.write([ANN, NOBODY, LIKE, LIST, RATING, skip, dislike])
    path, rows = write_log(store, tmp_path / "data" / "serving")
    assert rows == 4
    data = drrec.load_dataset(path, rating_scale="1,5")
    log = data.interactions
    users, items = log.users.raw[log.user].tolist(), log.items.raw[log.item].tolist()
    assert set(zip(users, items, log.rating.tolist(), strict=True)) == {
        ("ann", "i", 5.0),
        ("ann", "é/🎬", 2.5),
        ("session b", 'o"d/, y', 3.0),
        ("session b", "j", 1.0),
    }
    store.write([dataclasses.replace(LIKE, event="9", item="k")])
    assert write_log(store, tmp_path / "data" / "serving")[1] == 5


def test_the_command_turns_a_store_into_a_data_set(make_service, tmp_path, capsys):
    with TestClient(application(make_service())) as client:
        session = opened(client, user="ann")
        answer(client, session, item="i3", rating=4)
    argv = ["data", "serving", "--from", str(tmp_path / "s.db"), "--data-dir", str(tmp_path)]
    assert cli.run(*cli.STAGES, argv=argv) == 0
    path = tmp_path / "serving" / "serving.jsonl"
    assert capsys.readouterr().out == f"1 rows: {path}\n"
    row = json.loads(path.read_text(encoding="utf-8"))
    assert (row["user"], row["item"], row["rating"]) == ("ann", "i3", 4.0)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["data", "serving"], "Expected --from"),
        (["data", "serving", "--from", "none.db"], "'none.db', where there is none"),
        (["data", "serving", "--from", "empty.db"], "Expected feedback in empty.db"),
        (["evaluate-log", "--run", "run.drrec"], "where there is none"),
        (
            ["evaluate-log", "--run", "run.drrec", "--store", "sqlite:///none.db"],
            "where there is none",
        ),
        (["evaluate-log", "--run", "run.drrec", "--store", "empty.db"], "--explore 0.1"),
        (["evaluate-log", "--run", "none", "--store", "empty.db"], "Expected the name"),
        (["evaluate-log", "--run", "run.drrec", "--explore", "0"], "`explore` must be in"),
    ],
)
def test_what_there_is_not_is_refused(make_service, tmp_path, monkeypatch, capsys, argv, words):
    make_service()
    Store.open(str(tmp_path / "empty.db")).close()
    monkeypatch.chdir(tmp_path)
    assert cli.run(*cli.STAGES, argv=argv) == 2
    line = capsys.readouterr().err
    assert words in line
    assert line.count("\n") == 1
    assert not (tmp_path / "none.db").exists()
    assert not (tmp_path / "data" / "serving" / "serving.jsonl").exists()


class Reversed(TinyEngine):
    """Prefers what the other thinks least of."""

    def score(self, query, place):
        return float(place)


REWARDS = {item: 1.0 if place >= 8 else -0.5 for place, item in enumerate(ITEMS)}
EXPLORE = 0.6


def logged(store, sessions, model=None, k=1):
    """Sessions of one list, by a model that explores."""
    generator = random.Random(4)
    best = (model or TinyEngine()).recommend([Query()], 100)[0]
    records = []
    for number in range(sessions):
        made = drawn(best, k, EXPLORE, generator)
        name, items = f"s{number}", tuple(each.item for each in made.items)
        records.append(Session(id=name, user=None, time=1.0))
        records.append(
            Shown(
                session=name,
                turn=1,
                user=None,
                items=items,
                propensities=tuple(made.propensities),
                policy=made.policy,
                model="m",
                time=2.0,
            )
        )
        records += [
            Event(
                session=name,
                event=item,
                item=item,
                kind="rating",
                value=3 + 2 * REWARDS[item],
                time=3.0,
                model="m",
            )
            for item in items
        ]
    records.sort(key=lambda each: [Session, Shown, Event].index(type(each)))
    store.write(records)


def truth(best, explore):
    """What one position earns: the best, or any of the catalogue."""
    return (1 - explore) * REWARDS[best] + explore * sum(REWARDS.values()) / len(REWARDS)


@pytest.fixture
def sqlite(tmp_path):
    store = Store.open(str(tmp_path / "log.db"))
    yield store
    store.close()


def test_estimates_are_near_what_the_other_run_truly_earns(sqlite, tmp_path, monkeypatch):
    logged(sqlite, 4_000)
    monkeypatch.setattr(judging.Engine, "load", lambda path: Reversed())
    found = judging.estimated(sqlite, tmp_path)
    assert found["earned"] == pytest.approx(truth("i0", EXPLORE), abs=0.05)
    expected = truth("x y", EXPLORE)
    assert expected > found["earned"] + 0.4
    for name in ("snips", "doubly_robust"):
        assert found[name]["low"] < expected < found[name]["high"]
        assert found[name]["value"] == pytest.approx(expected, abs=0.1)
    assert found["mean_weight"] == pytest.approx(1, abs=0.1)
    assert (found["steps"], found["sessions"], found["explore"]) == (4_000, 4_000, [EXPLORE])
    other = judging.estimated(sqlite, tmp_path, explore=0.2)
    assert other["snips"]["value"] == pytest.approx(truth("x y", 0.2), abs=0.2)


def test_the_run_that_was_served_is_worth_what_it_earned(sqlite, tmp_path, monkeypatch):
    logged(sqlite, 500, k=3)
    monkeypatch.setattr(judging.Engine, "load", lambda path: TinyEngine())
    found = judging.estimated(sqlite, tmp_path)
    assert found["snips"]["value"] == pytest.approx(found["earned"])
    assert (found["mean_weight"], found["overlap"]) == (pytest.approx(1), 1)
    assert found["steps"] == 1_500
    assert found["verdict"] == "Enough to go by"
    table = judging.table_of(found)
    assert f"| the log earned | {found['earned']:.3f} | |" in table


def test_few_steps_are_said_to_be_too_few(sqlite, tmp_path, monkeypatch):
    logged(sqlite, 50)
    monkeypatch.setattr(judging.Engine, "load", lambda path: TinyEngine())
    assert judging.estimated(sqlite, tmp_path)["verdict"].startswith("Too thin")


def test_lists_that_did_not_explore_say_nothing(sqlite, tmp_path, monkeypatch):
    sqlite.write([ANN, LIST, LIKE])
    sqlite.write([dataclasses.replace(LIST, turn=2, policy="greedy", propensities=(1.0, 1.0))])
    monkeypatch.setattr(judging.Engine, "load", lambda path: TinyEngine())
    with pytest.raises(InputError, match="--explore"):
        judging.estimated(sqlite, tmp_path)


def test_the_command_judges_what_was_served(make_service, tmp_path, capsys, monkeypatch):
    with TestClient(application(make_service(explore=0.5))) as client:
        for number in range(5):
            session = opened(client)
            for turn in range(3):
                for item in next_of(client, session, 2):
                    answer(client, session, f"{turn}{item}", item, rating=1 + number)
    monkeypatch.chdir(tmp_path)
    argv = ["evaluate-log", "--run", "run.drrec", "--store", "s.db"]
    assert cli.run(*cli.STAGES, argv=[*argv, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["steps"], found["sessions"]) == (30, 5)
    assert found["earned"] == pytest.approx(0)
    assert found["snips"]["value"] == pytest.approx(found["earned"])
    assert cli.run(*cli.STAGES, argv=argv) == 0
    assert "30 positions of 5 sessions" in capsys.readouterr().out
