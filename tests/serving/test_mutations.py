"""Whatever is asked, the answer is JSON of one line where it is refused, and never a fault."""

import json
import string
from urllib.parse import quote

import hypothesis
import hypothesis.strategies as st
import pytest
from starlette.testclient import TestClient
from tests.serving.tiny import ITEMS, USERS

from drrec.serving.app import application

HOSTILE = [
    "..",
    "../../etc/passwd",
    "' OR 1=1; --",
    "%s%n",
    "\u0000",
    "\r\nx: y",
    "\u202e",
    "🎬",
    "a" * 5_000,
    "NaN",
    "-1",
    "1e400",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "",
    "/",
    "//",
    "?",
    "#",
]
words = st.sampled_from([*HOSTILE, *ITEMS, *USERS]) | st.text(max_size=20)
ids = words.filter(lambda text: text not in ("", ".", ".."))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
BODIES = [
    ("/v1/recommendations", {"k": 3, "liked": ["i0"], "filter": ["i1"], "explain": True}),
    ("/v1/recommendations", {"liked": ["i0"], "model": "run"}),
    ("/v1/recommendations", {"users": ["ann", "bob"], "k": 2, "among": ["i0"]}),
    ("/v1/recommendations", {"context": [{"item": "i0", "rating": 4.5}], "disliked": ["i2"]}),
    ("/v1/sessions", {"user": "ann", "liked": ["i0"], "disliked": []}),
    ("{feedback}", {"event": "1", "item": "i0", "feedback": "like"}),
    ("{feedback}", {"events": [{"event": "1", "item": "i0", "rating": 3}]}),
    ("/v1/models/reload", {}),
]
PATHS = [
    "/v1/users/{}/recommendations",
    "/v1/users/{}/data",
    "/v1/items/{}/similar",
    "/v1/sessions/{}/next",
    "/v1/sessions/{}/history",
    "/v1/sessions/{}",
    "/v1/models/{}/report",
    "/v1/users?query={}",
    "/v1/items/about?item={}",
    "/{}",
]
NAMES = ["k", "filter", "among", "keep_seen", "explain", "query", "keep_unanswered"]


@pytest.fixture
def server(make_service):
    service = make_service()
    with TestClient(application(service), raise_server_exceptions=False) as client:
        session = client.post("/v1/sessions", json={}).json()["session"]
        yield client, session


def is_sound(response):
    assert response.status_code < 500, response.text
    assert "Traceback" not in response.text
    assert 'File "' not in response.text
    if response.status_code >= 400:
        [(name, line)] = response.json().items()
        assert name == "error"
        assert "\n" not in line
        assert line.isprintable()
        assert len(line) < 2_500


@st.composite
def changed(draw, value):
    """A JSON value with something in it exchanged, added or left out."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(value)))
        rest = {name: inner for name, inner in value.items() if name != key}
        what = draw(st.sampled_from(["inside", "without", "renamed"]))
        if what == "without":
            return rest
        if what == "renamed":
            return rest | {draw(words): value[key]}
        return rest | {key: draw(changed(value[key]))}
    if isinstance(value, list) and value and draw(st.booleans()):
        return [*value[:-1], draw(changed(value[-1]))]
    return draw(json_values)


kept = hypothesis.settings(
    max_examples=300, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)


@kept
@hypothesis.given(data=st.data())
def test_changed_bodies_are_answered_or_refused(server, data):
    client, session = server
    url, body = data.draw(st.sampled_from(BODIES))
    url = url.format(feedback=f"/v1/sessions/{session}/feedback")
    text = json.dumps(data.draw(changed(body))).encode("utf-8", "surrogatepass")
    if data.draw(st.integers(0, 4)) == 0:
        place = data.draw(st.integers(0, len(text)))
        text = text[:place] + data.draw(st.binary(max_size=4)) + text[place + 1 :]
    response = client.post(url, content=text, headers={"content-type": "application/json"})
    is_sound(response)


@kept
@hypothesis.given(
    path=st.sampled_from(PATHS),
    name=ids,
    query=st.dictionaries(st.sampled_from(NAMES) | words, words | st.integers(), max_size=3),
    method=st.sampled_from(["GET", "DELETE", "POST", "PUT", "HEAD", "OPTIONS", "PATCH"]),
)
def test_any_id_and_any_query_is_answered_or_refused(server, path, name, query, method):
    client, _ = server
    url = path.format(quote(name.encode("utf-8", "surrogatepass"), safe=""))
    query = {key.encode("utf-8", "replace").decode(): str(value) for key, value in query.items()}
    query = {key: value.encode("utf-8", "replace").decode() for key, value in query.items()}
    response = client.request(method, url, params=query)
    if method != "HEAD":
        is_sound(response)
    assert response.status_code < 500


@kept
@hypothesis.given(
    headers=st.dictionaries(
        st.sampled_from(["authorization", "content-type", "content-length", "accept", "range"]),
        st.text(string.printable[:-6], max_size=30),
        max_size=3,
    ),
    body=st.binary(max_size=50),
)
def test_any_header_is_answered_or_refused(server, headers, body):
    client, _ = server
    is_sound(client.post("/v1/sessions", content=body, headers=headers))
