"""The served models: shared between two runs, and exchanged while requests go on."""

import os
import threading

import pytest
from starlette.testclient import TestClient

from drrec.errors import InputError
from drrec.experiment.config import TrainConfig
from drrec.experiment.run import Run
from drrec.serving.app import application, reload_quietly
from drrec.serving.models import Models, Source


@pytest.fixture
def files(tiny_models, tmp_path):
    def write(name, version):
        path = tmp_path / f"{name}.drrec"
        path.write_text(version, encoding="utf-8")
        # Files that are written within one tick of the clock differ, too.
        os.utime(path, ns=(0, hash(version) % 10**9))
        return Source(run=str(path), root=str(tmp_path))

    return write


def test_a_share_of_all_goes_to_the_other_run_and_each_stays_there(files):
    models = Models(files("a", "v1"), files("b", "w1"), share=0.2)
    picked = {f"user {n}": models.pick(f"user {n}").label for n in range(2_000)}
    share = sum(label == "b@w1" for label in picked.values()) / len(picked)
    assert 0.16 < share < 0.24
    again = Models(files("a", "v1"), files("b", "w1"), share=0.2)
    assert {who: again.pick(who).label for who in picked} == picked
    assert models.shares == [0.8, 0.2]
    alone = Models(files("a", "v1"))
    assert {alone.pick(who).label for who in picked} == {"a@v1"}
    assert {
        Models(files("a", "v1"), files("b", "w1"), 0.0).pick(who).engine.name for who in picked
    } == {"a"}
    assert {
        Models(files("a", "v1"), files("b", "w1"), 1.0).pick(who).engine.name for who in picked
    } == {"b"}


def test_a_newer_file_is_exchanged_and_the_same_is_left_alone(files):
    models = Models(files("a", "v1"), files("b", "w1"))
    before = models.served
    assert models.reload() == []
    assert models.served == before
    files("a", "v2")
    assert models.reload() == ["a@v2"]
    assert [each.label for each in models.served] == ["a@v2", "b@w1"]
    assert models.served[1] is before[1]


def test_a_damaged_one_is_not_exchanged_and_looked_at_once(files, monkeypatch):
    models = Models(files("a", "v1"))
    files("a", "broken")
    with pytest.raises(InputError, match="half"):
        models.reload()
    assert models.served[0].label == "a@v1"
    assert models.reload(only_if_new=True) == []
    with pytest.raises(InputError):
        models.reload()
    files("a", "v2")
    assert models.reload(only_if_new=True) == ["a@v2"]


def test_a_run_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="Expected the name or the folder of a run"):
        Source(run="none", root=str(tmp_path)).path()
    with pytest.raises(InputError, match="Expected a trained run in save_model"):
        Source(run=None, root=str(tmp_path)).path()
    Run.create(tmp_path, "half", TrainConfig())
    with pytest.raises(InputError, match=r"Expected a trained run.*--resume half"):
        Source(run="half", root=str(tmp_path)).path()


def test_of_a_run_what_is_fitted_to_the_whole_log_is_served(tmp_path):
    def written(run, name, when):
        run.folder.mkdir(parents=True, exist_ok=True)
        (run.folder / name).write_text("v1", encoding="utf-8")
        os.utime(run.folder / name, (when, when))

    one = Run.create(tmp_path, "one", TrainConfig())
    many = Run.create(tmp_path, "many", TrainConfig(seed=3, seeds=2))
    seeds = [run for run, _ in many.seeds(many.config())]
    for seed in reversed(seeds):
        written(seed, "agent.drrec", 10)
    written(one, "agent.drrec", 20)
    latest = Source(run=None, root=str(tmp_path))
    assert latest.path() == one.folder.resolve() / "agent.drrec"
    written(one, "served.drrec", 30)
    assert latest.path().name == "served.drrec"
    assert Source(run="many", root=str(tmp_path)).path() == seeds[0].folder / "agent.drrec"
    written(seeds[1], "agent.drrec", 40)
    assert latest.path() == seeds[0].folder.resolve() / "agent.drrec"


def test_requests_go_on_while_a_run_is_exchanged(make_service, tmp_path):
    service = make_service()
    engine = service.models.served[0].engine
    go, began, plain = threading.Event(), threading.Event(), engine.recommend

    def slow(queries, k):
        began.set()
        assert go.wait(10)
        return plain(queries, k)

    engine.recommend = slow
    answers = []
    with TestClient(application(service)) as client:
        url = "/v1/users/ann/recommendations"
        thread = threading.Thread(target=lambda: answers.append(client.get(url).json()["model"]))
        thread.start()
        assert began.wait(10)
        (tmp_path / "run.drrec").write_text("version 2", encoding="utf-8")
        told = client.post("/v1/models/reload").json()
        assert told["exchanged"] == ["run@version 2"]
        assert client.get(url).json()["model"] == "run@version 2"  # while the old one is at work
        go.set()
        thread.join()
        assert answers == ["run@v1"]
        (tmp_path / "run.drrec").write_text("broken", encoding="utf-8")
        refused = client.post("/v1/models/reload")
        assert refused.status_code == 409
        assert "still served" in refused.json()["error"]
        reload_quietly(service)
        assert client.get(url).json()["model"] == "run@version 2"


def test_what_is_wrong_with_a_newer_run_is_said_once(make_service, tmp_path, caplog):
    service = make_service()
    (tmp_path / "run.drrec").unlink()
    said = reload_quietly(service, "")
    assert reload_quietly(service, said) == said != ""
    assert caplog.text.count("still serving the old run") == 1
    (tmp_path / "run.drrec").write_text("version 2", encoding="utf-8")
    assert reload_quietly(service, said) == ""
    assert service.models.served[0].label == "run@version 2"


def test_a_newer_run_is_noticed(make_service, tmp_path):
    service = make_service(watch=0.01)
    exchanged = threading.Event()
    plain = service.models.reload

    def noted(**given):
        if plain(**given):
            exchanged.set()

    service.models.reload = noted
    with TestClient(application(service)) as client:
        (tmp_path / "run.drrec").write_text("version 2", encoding="utf-8")
        assert exchanged.wait(10)
        assert client.get("/readyz").json()["models"] == ["run@version 2"]


def test_each_answer_says_the_model_that_gave_it(make_service, tmp_path):
    (tmp_path / "other.drrec").write_text("w1", encoding="utf-8")
    also = Source(run=str(tmp_path / "other.drrec"), root=str(tmp_path))
    service = make_service(also=also, share=0.5)
    with TestClient(application(service)) as client:
        labels = set()
        for _ in range(20):
            session = client.post("/v1/sessions", json={}).json()
            told = client.get(f"/v1/sessions/{session['session']}/next").json()
            labels.add(told["model"])
            assert told["model"] == session["model"]
            event = {"event": "1", "item": "i0", "feedback": "like"}
            url = f"/v1/sessions/{session['session']}/feedback"
            assert client.post(url, json=event).json()["model"] == told["model"]
        assert labels == {"run@v1", "other@w1"}
        many = client.post("/v1/recommendations", json={"users": ["ann", "bob", "u/1", "🎧"]})
        for each in many.json()["lists"]:
            assert each["model"] == service.models.pick(each["user"]).label
        assert [each["share"] for each in client.get("/v1/models").json()["models"]] == [0.5, 0.5]
