"""Sessions: feedback moves them and comes once, what was shown does not come again, they last."""

import concurrent.futures
import json
import sqlite3

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from tests.serving.test_routes import items_of, refusal
from tests.serving.tiny import ITEMS

from drrec.serving.app import application
from drrec.serving.faults import StoreError


def opened(client, **body):
    response = client.post("/v1/sessions", json=body)
    assert response.status_code == 201, response.text
    return response.json()["session"]


def answer(client, session, event="1", item="i0", **said):
    body = {"event": event, "item": item} | (said or {"feedback": "like"})
    return client.post(f"/v1/sessions/{session}/feedback", json=body)


def next_of(client, session, k=2, **params):
    return items_of(client.get(f"/v1/sessions/{session}/next", params={"k": k} | params))


def test_feedback_moves_a_session_and_nothing_comes_again(client):
    session = opened(client)
    assert next_of(client, session) == ["i0", "i1"]
    assert answer(client, session, item="i1").json()["events"] == [
        {"event": "1", "outcome": "stored", "in_catalogue": True}
    ]
    assert next_of(client, session) == ["i3", "i5"]
    answer(client, session, "2", "i4", feedback="skip")  # never shown, but answered
    seen = ["i0", "i1", "i3", "i5", "i4"]
    rest = [*next_of(client, session, 20)]
    assert sorted([*seen, *rest]) == sorted(ITEMS)
    assert next_of(client, session) == []


def test_what_is_shown_and_not_answered_may_stay_if_asked(client):
    session = opened(client, liked=["i2"])
    assert next_of(client, session, 3, keep_unanswered=True) == ["i0", "i4", "i6"]
    answer(client, session, item="i4", feedback="dislike")
    assert next_of(client, session, 3, keep_unanswered=True) == ["i0", "i6", "a/b"]


@pytest.mark.parametrize(
    ("said", "then"),
    [
        ({"feedback": "like"}, "i2"),
        ({"rating": 4}, "i2"),
        ({"rating": 3}, "i1"),
        ({"rating": 1.5}, "i1"),
        ({"feedback": "dislike"}, "i1"),
        ({"feedback": "skip"}, "i1"),
    ],
)
def test_each_kind_of_feedback_has_its_reward(client, said, then):
    session = opened(client)
    answer(client, session, **said)
    assert next_of(client, session, 1) == [then]


def test_an_event_that_is_sent_again_counts_once(client):
    session, other = opened(client), opened(client)
    first = answer(client, session)
    again = answer(client, session)
    assert first.json()["events"][0]["outcome"] == "stored"
    assert again.json()["events"][0]["outcome"] == "repeated"
    assert "'1'" in refusal(answer(client, session, item="i5"), 409)
    assert answer(client, other).json()["events"][0]["outcome"] == "stored"
    history = client.get(f"/v1/sessions/{session}/history").json()
    assert [each["item"] for each in history["events"]] == ["i0"]
    assert 'drrec_feedback_total{kind="like"} 2.0' in client.get("/metrics").text


def test_many_events_are_stored_in_one_call(client):
    session = opened(client)
    events = [{"event": str(n), "item": "i0", "rating": 1 + n % 5} for n in range(1000)]
    url = f"/v1/sessions/{session}/feedback"
    told = client.post(url, json={"events": events}).json()["events"]
    assert [each["outcome"] for each in told] == ["stored"] * 1000
    history = client.get(f"/v1/sessions/{session}/history").json()
    assert [each["event"] for each in history["events"]] == [str(n) for n in range(1000)]
    refusal(client.post(url, json={"events": [*events, *events]}), 422)
    refusal(client.post(url, json={"events": []}), 422)
    refusal(client.post(url, json={"events": events[:1], "event": "x"}), 422)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"feedback": "love"},
        {"rating": 0.5},
        {"rating": "5"},
        {"rating": 5, "feedback": "like"},
        {"feedback": "like", "event": ""},
        {"feedback": "like", "event": "e\u0000"},
        {"feedback": "like", "item": "a\tb"},
        {"feedback": "like", "item": "a\n"},
        {"feedback": "like", "event": "e" * 1001},
        {"feedback": "like", "stars": 5},
    ],
)
def test_feedback_that_is_not_as_declared_is_not_stored(client, said):
    session = opened(client)
    body = {"event": "1", "item": "i0"} | said
    refusal(client.post(f"/v1/sessions/{session}/feedback", json=body), 422)
    assert client.get(f"/v1/sessions/{session}/history").json()["events"] == []


def test_feedback_on_an_item_that_the_model_does_not_know_is_kept_for_the_next_one(client):
    session = opened(client)
    told = answer(client, session, item="new/🎞").json()["events"]
    assert told == [{"event": "1", "outcome": "stored", "in_catalogue": False}]
    assert next_of(client, session, 1) == ["i0"]


def test_a_session_outlives_the_process_and_another_worker_knows_it(make_service, where):
    with TestClient(application(make_service(where))) as first:
        session = opened(first, user="ann")
        assert next_of(first, session) == ["i0", "i1"]
        answer(first, session, item="i1")
        with TestClient(application(make_service(where))) as second:
            assert next_of(second, session) == ["i3", "i5"]
            assert next_of(first, session) == ["i7", "🎬"]
    with TestClient(application(make_service(where))) as third:
        assert next_of(third, session, 1) == ["i2"]
        assert answer(third, session, item="i1").json()["events"][0]["outcome"] == "repeated"


def test_two_tabs_that_ask_at_once_are_shown_different_items(make_service, where):
    with (
        TestClient(application(make_service(where))) as one,
        TestClient(application(make_service(where))) as other,
        concurrent.futures.ThreadPoolExecutor(8) as pool,
    ):
        session = opened(one)
        clients = [one, other] * 5
        lists = list(pool.map(lambda client: next_of(client, session, 1), clients))
    assert len({item for each in lists for item in each}) == 10


def test_what_is_stored_can_be_read_and_deleted(client):
    session, kept = opened(client, user="u/1", liked=["i2"]), opened(client, user="bob")
    next_of(client, session)
    answer(client, session, item="🎬", rating=4.5)
    answer(client, kept)
    history = client.get(f"/v1/sessions/{session}/history").json()
    assert (history["user"], history["liked"]) == ("u/1", ["i2"])
    [event], [shown] = history["events"], history["shown"]
    assert (event["item"], event["rating"], event["feedback"]) == ("🎬", 4.5, None)
    assert (event["model"], shown["model"]) == ("run@v1", "run@v1")
    assert (shown["turn"], shown["items"], shown["propensities"]) == (1, ["i0", "i4"], [1.0, 1.0])
    data = client.get("/v1/users/u%2F1/data").json()
    assert data == {"user": "u/1", "sessions": [history]}
    assert client.delete(f"/v1/sessions/{session}/history").status_code == 204
    emptied = client.get(f"/v1/sessions/{session}/history").json()
    assert emptied["events"] == emptied["shown"] == []
    assert next_of(client, session) == ["i0", "i4"]
    assert client.delete("/v1/users/u%2F1/data").status_code == 204
    refusal(client.get(f"/v1/sessions/{session}/history"), 404)
    assert client.get("/v1/users/u%2F1/data").json()["sessions"] == []
    assert len(client.get(f"/v1/sessions/{kept}/history").json()["events"]) == 1
    assert client.delete(f"/v1/sessions/{kept}").status_code == 204
    refusal(client.get(f"/v1/sessions/{kept}/history"), 404)


@pytest.mark.parametrize("name", ["none", "a%00b", "%F0%9F%8E%AC", "'; DROP TABLE events; --"])
def test_a_session_that_there_is_not_is_refused(client, name):
    status = 422 if "%00" in name else 404
    base = f"/v1/sessions/{name}"
    refusal(client.get(f"{base}/next"), status)
    refusal(client.get(f"{base}/history"), status)
    refusal(client.delete(base), status)
    refusal(client.delete(f"{base}/history"), status)
    body = {"event": "1", "item": "i0", "feedback": "like"}
    refusal(client.post(f"{base}/feedback", json=body), status)


def test_a_session_is_opened_for_users_known_or_not(client):
    known = client.post("/v1/sessions", json={"user": "ann"}).json()
    new = client.post("/v1/sessions", json={"user": "zoe", "liked": ["i1"]}).json()
    assert (known["is_known"], new["is_known"], new["model"]) == (True, False, "run@v1")
    assert next_of(client, new["session"], 1) == ["i3"]
    refusal(client.post("/v1/sessions", json={"liked": ["nix"]}), 422)


def test_exploring_lists_are_stored_with_their_chances(make_service, tmp_path):
    with TestClient(application(make_service(explore=0.5))) as client:
        session = opened(client)
        told = client.get(f"/v1/sessions/{session}/next", params={"k": 5}).json()
    assert told["policy"] == "explore:0.5"
    with sqlite3.connect(tmp_path / "s.db") as connection:
        rows = connection.execute("SELECT items, propensities, policy FROM shown").fetchall()
    connection.close()
    [(items, propensities, policy)] = rows
    assert json.loads(items) == [each["item"] for each in told["items"]]
    assert json.loads(propensities) == told["propensities"]
    assert policy == "explore:0.5"
    for place, (item, chance) in enumerate(zip(told["items"], told["propensities"], strict=True)):
        left = [each for each in ITEMS if each not in json.loads(items)[:place]]
        expected = 0.5 / len(left) + (0.5 if item["item"] == left[0] else 0.0)
        assert chance == pytest.approx(expected)


def test_lists_without_a_session_are_stored_if_asked(make_service):
    service = make_service(log_lists=True)
    with TestClient(application(service)) as client:
        client.get("/v1/users/ann/recommendations", params={"k": 2})
        client.post("/v1/recommendations", json={"users": ["ann", "bob"], "k": 1})
    stored = [(each.user, each.items) for each in make_service().store.recommendations()]
    assert stored == [("ann", ("i0", "i1")), ("ann", ("i0",)), ("bob", ("i0",))]
    with TestClient(application(make_service())) as client:
        client.get("/v1/users/ann/recommendations")
    assert len(list(make_service().store.recommendations())) == 3


def test_on_a_full_disk_feedback_is_refused_and_recommending_goes_on(make_service):
    service = make_service()
    with TestClient(application(service)) as client:
        session = opened(client)
        service.store._write.dispose()
        sa.event.listen(service.store._write, "connect", _no_more_pages)
        big = [{"event": f"{n}" * 500, "item": "i" * 999, "rating": 5} for n in range(9)]
        full = client.post(f"/v1/sessions/{session}/feedback", json={"events": big})
        assert "full" in refusal(full, 507)
        assert client.get(f"/v1/sessions/{session}/history").json()["events"] == []
        assert client.get("/v1/users/ann/recommendations").status_code == 200
        service.store.write = _full
        told = client.get(f"/v1/sessions/{session}/next", params={"k": 1}).json()
        assert (told["is_stored"], told["items"][0]["item"]) == (False, "i0")
        refusal(client.post("/v1/sessions", json={}), 507)
        assert client.get("/readyz").status_code == 200


def _no_more_pages(connection, _):
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")


def _full(records):
    from drrec.serving.faults import StoreFull

    raise StoreFull("full")


def test_a_store_that_fails_is_told_without_its_words(make_service):
    service = make_service()
    with TestClient(application(service)) as client:
        session = opened(client)
        service.store.write = _fails
        response = answer(client, session)
        assert "secret" not in refusal(response, 503)
        assert response.headers["retry-after"] == "5"


def _fails(records):
    raise StoreError("secret words")
