"""What is asked most is answered as FastAPI's route would, and counted as its."""

from urllib.parse import parse_qsl

import hypothesis
import hypothesis.strategies as st
import pytest
from starlette.testclient import TestClient

from drrec.serving import asking
from drrec.serving.app import application
from drrec.serving.bodies import Items

URL = "/v1/users/ann/recommendations"


@pytest.fixture
def both(make_service):
    """Clients of the application, and of the same without the shortcut."""
    app = application(make_service())
    with TestClient(app) as client:
        guard, shortcut = client.app, client.app._app
        yield client, TestClient(shortcut._app, headers={"host": "testserver"})
        assert guard.in_flight == 0


@pytest.mark.parametrize(
    "path",
    [
        URL,
        f"{URL}?k=3",
        f"{URL}?k=2&filter=i0&filter=a/b&among=i0&among=i5",
        f"{URL}?explain=true&k=1&keep_seen=1",
        f"{URL}?k=",
        f"{URL}?k=0",
        f"{URL}?k=51&explain=true",
        f"{URL}?user=ann",
        f"{URL}?nonsense=1",
        f"{URL}?filter=nobody",
        f"{URL}?filter=%F0%9F%8E%AC&&k=4",
        "/v1/users/nobody/recommendations",
        "/v1/users/u%2F1/recommendations",
        "/v1/users/u/1/recommendations?k=2",
        "/v1/users/%0A/recommendations",
        "/v1/users//recommendations",
        "/v1/users/ann/recommendations/recommendations",
        "/v1/users/ann/recommendations/",
        "/v1/users/ann/data",
    ],
)
def test_the_shortcut_answers_as_the_route(both, path):
    found, expected = (each.get(path, follow_redirects=False) for each in both)
    assert (found.status_code, found.content) == (expected.status_code, expected.content)
    for name in ("content-type", "content-length"):
        assert found.headers[name] == expected.headers[name]
    if found.status_code == 200 and path.partition("?")[0].endswith("recommendations"):
        Items.model_validate(found.json(), extra="forbid", strict=True)


@pytest.mark.parametrize("method", ["HEAD", "POST", "DELETE"])
def test_other_methods_are_left_to_the_route(both, method):
    found, expected = (each.request(method, URL) for each in both)
    assert (found.status_code, found.content) == (expected.status_code, expected.content)
    assert found.status_code in (404, 405)


def test_it_is_counted_as_the_route_by_which_it_is_documented(client):
    assert client.get(URL).status_code == 200
    assert client.get(f"{URL}?k=0").status_code == 422
    path = next(each for each in client.get("/openapi.json").json()["paths"] if "recomm" in each)
    counted = client.get("/metrics").text
    for status in (200, 422):
        assert (
            f'drrec_requests_total{{method="GET",route="{path}",status="{status}"}} 1.0' in counted
        )


@hypothesis.given(st.text(st.sampled_from("k=&%+1é;2F"), max_size=20))
def test_pairs_of_a_query_are_those_of_the_standard_library(text):
    assert asking._pairs(text) == parse_qsl(text, keep_blank_values=True)
