"""Routes without a session: what is recommended, and what is refused in one line."""

import json
import re
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient
from tests.serving.tiny import ITEMS, USERS

from drrec.serving.app import application


def items_of(response):
    assert response.status_code == 200, response.text
    return [each["item"] for each in response.json()["items"]]


def refusal(response, status):
    assert response.status_code == status, response.text
    assert list(response.json()) == ["error"]
    line = response.json()["error"]
    assert "\n" not in line
    assert line.isprintable()
    return line


@pytest.mark.parametrize("user", USERS)
def test_a_known_user_is_recommended_to_whatever_the_id_holds(client, user):
    response = client.get(f"/v1/users/{quote(user, safe='')}/recommendations", params={"k": 3})
    assert items_of(response) == ITEMS[:3]
    assert response.json()["user"] == user
    assert response.json()["model"] == "run@v1"
    assert response.json()["items"][1] == {"item": "i1", "title": "Film i1", "score": -1.0}


def test_a_list_keeps_to_what_is_asked(client):
    url = "/v1/users/ann/recommendations"
    assert items_of(client.get(url, params={"filter": ["i0", "a/b"], "k": 2})) == ["i1", "i2"]
    assert items_of(client.get(url, params={"among": ["i5", "🎬"]})) == ["i5", "🎬"]
    assert len(items_of(client.get(url))) == 10
    explained = client.get(url, params={"k": 1, "explain": True}).json()["items"]
    assert explained[0]["why"] == {
        "method": "shares",
        "reasons": [{"item": "i0", "title": "Film i0", "amount": 0.75}],
    }


@pytest.mark.parametrize("k", [-1, 0, 10**9, 10**30, "many", "1.5", ""])
def test_k_out_of_range_is_refused_in_one_line(client, k):
    url = "/v1/users/ann/recommendations"
    assert "k in query" in refusal(client.get(url, params={"k": k}), 422)
    assert "k in the body" in refusal(client.post("/v1/recommendations", json={"k": k}), 422)


def test_who_or_what_is_not_known_is_refused(client):
    line = refusal(client.get("/v1/users/zoe/recommendations"), 404)
    assert "'zoe'" in line
    assert "POST /v1/recommendations" in line
    assert "'nix'" in refusal(client.get("/v1/items/nix/similar"), 404)
    assert "'/v1/nothing'" in refusal(client.get("/v1/nothing"), 404)
    assert "'DELETE'" in refusal(client.delete("/v1/items"), 405)
    assert "'kk'" in refusal(client.get("/v1/users/ann/recommendations?kk=3"), 422)
    assert "'zoe'" in refusal(client.post("/v1/recommendations", json={"users": ["zoe"]}), 404)


def test_somebody_new_is_recommended_to_by_what_they_like(client):
    def listed(**body):
        return items_of(client.post("/v1/recommendations", json=body))

    assert listed(liked=["i1"], k=3) == ["i3", "i5", "i7"]
    assert listed(context=[{"item": "i0", "rating": 5}], k=2) == ["i2", "i4"]
    assert listed(context=[{"item": "i0", "feedback": "dislike"}], k=1) == ["i1"]
    assert listed(disliked=["i0"], filter=["i1"], k=1) == ["i2"]
    assert listed(among=["i7"]) == ["i7"]


def test_a_long_list_is_not_explained(client):
    asked = {"k": 51, "explain": True}
    session = client.post("/v1/sessions", json={}).json()["session"]
    for response in (
        client.get("/v1/users/ann/recommendations", params=asked),
        client.post("/v1/recommendations", json=asked),
        client.get(f"/v1/sessions/{session}/next", params=asked),
    ):
        assert "at most 50" in refusal(response, 422)


def test_many_users_are_recommended_to_in_one_call(client):
    body = {"users": ["bob", "ann", "bob"], "k": 2}
    lists = client.post("/v1/recommendations", json=body).json()["lists"]
    assert [each["user"] for each in lists] == ["bob", "ann", "bob"]
    assert [[item["item"] for item in each["items"]] for each in lists] == [ITEMS[:2]] * 3
    too_many = client.post("/v1/recommendations", json={"users": ["ann"] * 1001})
    assert "users in the body" in refusal(too_many, 422)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"k": 3, "kay": 1}', "known names"),
        ('{"k": "3"}', "k in the body"),
        ('{"k": true}', "k in the body"),
        ('{"liked": "i0"}', "liked in the body"),
        ('{"liked": [1]}', "liked.0 in the body"),
        ('{"liked": ["a\\u0000b"]}', "liked.0 in the body"),
        ('{"liked": [""]}', "liked.0 in the body"),
        ('{"liked": ["\\ud800"]}', "JSON"),
        ('{"context": [{"item": "i0", "rating": NaN}]}', "JSON"),
        ('{"context": [{"item": "i0", "rating": 1e999}]}', ""),
        ('{"context": [{"item": "i0", "rating": 6}]}', "rating"),
        ('{"context": [{"item": "i0"}]}', "one of feedback and rating"),
        ('{"context": [{"item": "i0", "rating": 3, "feedback": "like"}]}', "one of feedback"),
        ('{"users": ["ann"], "liked": ["i0"]}', "users alone"),
        ("[]", "the body"),
        ("null", "the body"),
        ("", "the body"),
        ("{", "JSON"),
        ("[" * 5000, "JSON"),
        ('{"k": 3}{', "JSON"),
    ],
)
def test_a_body_that_is_not_as_declared_is_refused(client, body, words):
    headers = {"content-type": "application/json"}
    line = refusal(client.post("/v1/recommendations", content=body, headers=headers), 422)
    assert words in line


def test_a_body_that_does_not_say_it_is_json_is_refused(client):
    """So that no page of another host can send one without asking first."""
    headers = {"content-type": "text/plain"}
    refusal(client.post("/v1/recommendations", content='{"k": 3}', headers=headers), 422)
    refusal(client.post("/v1/recommendations", content='{"k": 3}'), 422)


def test_items_are_found_by_likeness_and_by_title(client):
    assert items_of(client.get("/v1/items/a%2Fb/similar", params={"k": 2})) == ["i0", "i1"]
    assert items_of(client.get("/v1/items", params={"query": "film i3"})) == ["i3"]
    refusal(client.get("/v1/items"), 422)
    refusal(client.get("/v1/items", params={"query": "x" * 201}), 422)


def test_health_models_and_metrics(client):
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready", "models": ["run@v1"]}
    [model] = client.get("/v1/models").json()["models"]
    assert (model["model"], model["algorithm"], model["share"]) == ("run@v1", "tiny", 1.0)
    client.get("/v1/users/ann/recommendations")
    text = client.get("/metrics").text
    route = 'method="GET",route="/v1/users/{user}/recommendations",status="200"'
    assert f"drrec_requests_total{{{route}}} 1.0" in text
    assert 'drrec_lists_total{model="run@v1"} 1.0' in text
    assert "drrec_batch_size_sum 1.0" in text


def test_a_store_that_fails_makes_it_not_ready(client, monkeypatch):
    monkeypatch.setattr("drrec.serving.store._databases", None)
    service = client.app._app._app.state.service
    service.store.close()
    monkeypatch.setattr(service.store._read, "connect", _broken)
    assert "store" in refusal(client.get("/readyz"), 503)
    assert client.get("/healthz").status_code == 200
    assert client.get("/v1/users/ann/recommendations").status_code == 200


def _broken():
    import sqlalchemy as sa

    raise sa.exc.OperationalError("", {}, Exception("gone"))


def test_the_api_is_told_without_asking_another_host(client):
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    linked = re.findall(r"""(?:src|href)=["']?([^"'\s>]+)""", page.text)
    assert {each for each in linked if not each.startswith("#")} == {
        "/docs/style.css",
        "/openapi.json",
    }
    for path in client.get("/openapi.json").json()["paths"]:
        assert path in page.text
    assert client.get("/docs/style.css").status_code == 200
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy


def test_the_api_names_every_route_and_its_forms(client):
    api = client.get("/openapi.json").json()
    assert {
        "/v1/users/{user}/recommendations",
        "/v1/users/{user}/data",
        "/v1/items/{item}",
        "/v1/sessions/{session}/truth",
        "/v1/recommendations",
        "/v1/items/{item}/similar",
        "/v1/users",
        "/v1/items/about",
        "/v1/models/{model}/report",
        "/v1/items",
        "/v1/sessions",
        "/v1/sessions/{session}",
        "/v1/sessions/{session}/next",
        "/v1/sessions/{session}/feedback",
        "/v1/sessions/{session}/history",
        "/v1/models",
        "/v1/models/reload",
        "/healthz",
        "/readyz",
        "/metrics",
    } == set(api["paths"])
    assert "HTTPValidationError" not in json.dumps(api)


def test_a_page_is_served_where_there_is_one(make_service, tmp_path):
    page = tmp_path / "page"
    page.mkdir()
    (page / "index.html").write_text("<h1>hello</h1>", encoding="utf-8")
    with TestClient(application(make_service(), "secret", page)) as client:
        assert client.get("/").text == "<h1>hello</h1>"
        assert client.get("/../s.db").status_code == 404
        assert client.get("/%2e%2e/s.db").status_code == 404
        assert client.get("/v1/models").status_code == 401
