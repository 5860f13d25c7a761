"""Routes of the page: users of the log, what items are, reports of runs; which model is asked."""

import dataclasses

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.serving.films import METRICS

from drrec.data.histories import opening
from drrec.known import Known
from drrec.serving.app import application
from drrec.serving.config import ServeConfig
from drrec.serving.models import Source
from drrec.serving.people import found_users
from drrec.serving.server import Job, made_service


@pytest.fixture
def served(films, tmp_path):
    """A client of a server of both runs of films."""
    root = str(films.parents[1])
    job = Job(
        config=ServeConfig(watch=0, hosts="testserver", share=0),
        main=Source(run="films", root=root),
        also=Source(run="rival", root=root),
        store=str(tmp_path / "store.db"),
    )
    with TestClient(application(made_service(job))) as client:
        yield client


def test_users_are_found_by_the_start_of_their_id(tiny_dataset):
    log = tiny_dataset.interactions
    known = Known.of(log, tiny_dataset.titles, opening(log, 5))
    assert [each.user for each in found_users(known, "u1", 3)] == ["u10", "u11", "u12"]
    assert [each.user for each in found_users(known, "u17", 3)] == ["u17"]
    assert found_users(known, "x", 3) == []
    some = [each.user for each in found_users(known, "", 4)]
    assert some[0] == "u00"
    assert some[-1] == "u59"
    assert len(set(some)) == 4
    assert len(found_users(known, "", 1_000)) == log.num_users
    person = found_users(known, "u10", 1)[0]
    user = log.users.dense("u10")
    rows = slice(log.offsets[user], log.offsets[user + 1])
    assert person.num_items == rows.stop - rows.start
    liked = log.items.raw[log.item[rows][log.liked[rows]]].tolist()
    assert [item for item, _ in person.liked] == liked[:-4:-1]
    assert [title for _, title in person.liked] == [f"Film {item}" for item, _ in person.liked]


def test_an_id_that_begins_others_comes_first(tiny_dataset):
    log = tiny_dataset.interactions
    raw = np.array([f"a{n}" for n in range(log.num_users - 1)] + ["a"], object)
    users = dataclasses.replace(log.users, raw=raw)
    known = dataclasses.replace(Known.of(log, tiny_dataset.titles, opening(log, 5)), users=users)
    assert [each.user for each in found_users(known, "a", 2)] == ["a", "a0"]


def test_items_are_told_with_title_and_genres(served):
    query = {"item": ["i00", "i79", "nix", "i00"]}
    answer = served.get("/v1/items/about", params=query).json()
    titles = [each["title"] for each in answer["items"]]
    assert titles[0] == titles[2]
    assert titles[0].startswith("Film i00, The (")
    assert [each["genres"] for each in answer["items"]] == ["Drama, Comedy", "", "Drama, Comedy"]
    assert served.get("/v1/items/about").status_code == 422


def test_items_are_told_where_genres_are_damaged(served, films):
    path = films / "genres.json"
    whole = path.read_text(encoding="utf-8")
    path.write_text("{", encoding="utf-8")
    answer = served.get("/v1/items/about", params={"item": "i00"})
    path.write_text(whole, encoding="utf-8")
    assert answer.json()["items"][0]["genres"] == ""


def test_a_report_is_that_of_the_served_run(served):
    report = served.get("/v1/models/films/report").json()
    label = served.get("/v1/models").json()["models"][0]["model"]
    assert report["model"] == label
    assert report["metrics"] == METRICS
    assert report["curve"][0] == {"step": 10.0, "reward": 0.1}
    assert len(report["curve"]) == 8
    assert served.get(f"/v1/models/{label}/report").json() == report
    rival = served.get("/v1/models/rival/report").json()
    assert (rival["metrics"], rival["curve"]) == (None, [])


@pytest.mark.parametrize("name", ["..", "../films", "films/../films", "%2e%2e/films", "/", "nix"])
def test_no_other_name_has_a_report(served, films, name):
    response = served.get(f"/v1/models/{name.replace('/', '%2F')}/report")
    assert response.status_code == 404
    assert list(response.json()) == ["error"]
    assert str(films.parent) not in response.text


def test_a_damaged_report_is_refused_in_one_line(served, films):
    path = films / "training.csv"
    whole = path.read_text(encoding="utf-8")
    path.write_text("step,reward\n1,many\n", encoding="utf-8")
    response = served.get("/v1/models/films/report")
    path.write_text(whole, encoding="utf-8")
    assert response.status_code == 422
    assert "numbers under step and reward" in response.json()["error"]


def test_a_model_can_be_asked_by_name(served):
    asked = {"liked": ["i10", "i12"], "k": 3}
    answers = {
        name: served.post("/v1/recommendations", json=asked | {"model": name}).json()
        for name in ("films", "rival")
    }
    assert served.post("/v1/recommendations", json=asked).json() == answers["films"]
    assert answers["rival"]["model"].startswith("rival@")
    assert answers["rival"]["items"] != answers["films"]["items"]
    label = answers["rival"]["model"]
    again = served.post("/v1/recommendations", json=asked | {"model": label}).json()
    assert again == answers["rival"]
    response = served.post("/v1/recommendations", json=asked | {"model": "nix"})
    assert response.status_code == 404
    assert "'nix'" in response.json()["error"]
    many = {"users": ["u00"], "model": "films"}
    assert served.post("/v1/recommendations", json=many).status_code == 422


def test_the_page_is_served_and_lets_no_other_host_in(served):
    page = served.get("/")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "<style" not in page.text
    assert "style=" not in page.text
    assert page.text.count("<script") == page.text.count('<script type="module" src=')
    for name, kind in [("main.js", "javascript"), ("style.css", "css"), ("icon.svg", "svg")]:
        file = served.get(f"/{name}")
        assert kind in file.headers["content-type"]
        assert file.headers["cache-control"] == "no-cache"
    for path in ("/../app.py", "/%2e%2e/app.py", "/..%2fapp.py", "/nix.js"):
        assert served.get(path).status_code == 404
