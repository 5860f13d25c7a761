"""The page when something fails: one sentence, and a way on that loses no answer."""

import pytest
from tests.serving import pages
from tests.serving.pages import answer, begin, rows, session_of, shown, stored
from tests.serving.processes import serving

LOADING = "Failed to load resource"
"""How the console speaks of an answer that is none, or a refusal."""


@pytest.fixture
def tabs(browser, films_server):
    """Tabs in which requests may fail, and nothing else."""
    tabs = pages.Tabs(browser, films_server.port)
    yield tabs
    tabs.close()
    assert [each for each in tabs.faults if LOADING not in each] == []


def notice(tab):
    return tab.get_by_role("alert")


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (429, "The server has too much to do at the moment."),
        (503, "The server cannot answer at the moment."),
        (507, "The server has no room left to store your answer."),
        (500, "A fault of the server; its log says more."),
    ],
)
def test_an_answer_that_is_refused_waits_and_is_sent_again(tabs, films_server, status, sentence):
    tab = tabs.open()
    begin(tab)
    asked = []

    def refuse(route):
        asked.append(route.request.post_data_json["event"])
        body = {"error": "A fault of the server; its log says more."}
        route.fulfill(status=status, json=body, headers={"retry-after": "0.01"})

    tab.route("**/feedback", refuse)
    item = shown(tab)[0]
    rows(tab).first.locator("button.like").click()
    notice(tab).get_by_text(sentence).wait_for()
    assert "Your answer is kept here." in notice(tab).inner_text()
    assert len(asked) == (3 if status in (429, 503) else 1)
    assert stored(films_server, tab) == []
    tab.unroute("**/feedback")
    notice(tab).get_by_role("button", name="Try again").click()
    rows(tab).and_(tab.locator(f"[data-item={item}]")).wait_for(state="detached")
    assert stored(films_server, tab) == [(item, "like")]
    assert notice(tab).inner_text() == ""


def test_a_busy_server_is_asked_again_before_anybody_is_told(tabs, films_server):
    tab = tabs.open()
    begin(tab)
    left = [429, 503]

    def refuse(route):
        if left:
            route.fulfill(status=left.pop(), json={"error": ""}, headers={"retry-after": "0.01"})
        else:
            route.continue_()

    tab.route("**/feedback", refuse)
    item = answer(tab, "like")
    assert stored(films_server, tab) == [(item, "like")]
    assert notice(tab).inner_text() == ""


@pytest.mark.parametrize("arrives", [True, False])
def test_an_answer_of_which_nothing_came_back_counts_once_after_a_reload(
    tabs, films_server, arrives
):
    tab = tabs.open()
    begin(tab)

    def lose(route):
        if arrives:
            route.fetch()
        route.abort()

    tab.route("**/feedback", lose)
    item = shown(tab)[0]
    rows(tab).first.locator("button.like").click()
    notice(tab).get_by_text("The server does not answer.").wait_for()
    assert len(stored(films_server, tab)) == arrives
    tab.unroute("**/feedback")
    for _ in range(2):
        tab.reload()
        tab.locator(".past li").wait_for()
        assert stored(films_server, tab) == [(item, "like")]
        assert tab.locator(".total").inner_text() == "+1"


def test_an_answer_that_the_server_will_never_take_is_given_up(tabs, films_server):
    tab = tabs.open()
    begin(tab)
    body = {"error": "Expected a new id for an event. Received: 'x'."}
    tab.route("**/feedback", lambda route: route.fulfill(status=409, json=body))
    rows(tab).first.locator("button.like").click()
    notice(tab).get_by_text(body["error"]).wait_for()
    tab.unroute("**/feedback")
    notice(tab).get_by_role("button").click()
    answer(tab, "skip")
    assert [kind for _, kind in stored(films_server, tab)] == ["skip"]


def test_a_session_that_is_gone_makes_room_for_a_new_one(tabs, films_server):
    for meet in ("answer", "reload"):
        tab = tabs.open()
        begin(tab)
        films_server.ask(f"/v1/sessions/{session_of(tab)}", method="DELETE")
        if meet == "answer":
            rows(tab).first.locator("button.like").click()
        else:
            tab.reload()
        notice(tab).get_by_text("This session is no longer on the server.").wait_for()
        notice(tab).get_by_role("button", name="Start a new one").click()
        begin(tab)
        answer(tab, "like")


def test_a_dead_server_is_told_and_a_new_one_goes_on(films, browser, tmp_path):
    where = films, tmp_path / "store.db", "--runs-dir", str(films.parents[1])
    with serving(*where) as server:
        tabs = pages.Tabs(browser, server.port)
        tab = tabs.open()
        begin(tab)
        answer(tab, "like")
        server.kill()
        item = shown(tab)[0]
        rows(tab).first.locator("button.dislike").click()
        notice(tab).get_by_text("The server does not answer. Your answer is kept here.").wait_for()
        for view in ("Model", "Traffic"):
            tab.get_by_role("link", name=view).click()
            notice(tab).get_by_text("The server does not answer.").wait_for()
        server.__init__(*where, "--port", str(server.port))
        notice(tab).get_by_role("button", name="Try again").click()
        notice(tab).locator("p").wait_for(state="detached")
        tab.get_by_role("link", name="Play").click()
        tab.locator(".past li").nth(1).wait_for()
        assert stored(server, tab)[-1] == (item, "dislike")
        assert len(stored(server, tab)) == 2
        tabs.close()


def test_a_server_with_a_token_asks_for_it(films, browser, tmp_path):
    where = films, tmp_path / "store.db", "--runs-dir", str(films.parents[1])
    with serving(*where, DRREC_TOKEN="open sesame") as server:
        tabs = pages.Tabs(browser, server.port)
        tab = tabs.open()
        tab.get_by_label("This server asks for its token.").fill("wrong")
        tab.keyboard.press("Enter")
        tab.get_by_label("This server asks for its token.").fill("open sesame")
        tab.get_by_role("button", name="Go on").click()
        begin(tab)
        answer(tab, "like")
        tab.reload()
        rows(tab).first.wait_for()
        tab.get_by_role("link", name="Model").click()
        tab.locator("table").wait_for()
        tabs.close()
        assert [each for each in tabs.faults if LOADING not in each] == []
