"""The page in a browser: sessions, two models side by side, what it says of runs and traffic."""

import json
import re
import urllib.request

from tests.serving.films import HOSTILE
from tests.serving.pages import answer, begin, rows, session_of, shown, stored

COUNTED = """() => {
  const { animate } = Element.prototype;
  window.moved = [];
  Element.prototype.animate = function (...given) {
    window.moved.push(...Object.keys(given[0]));
    return animate.apply(this, given);
  };
}"""


def counted(server, name, *, route=""):
    """What a server has counted, with a route in its labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics") as response:
        lines = response.read().decode().splitlines()
    found = [each for each in lines if each.startswith(f"{name}{{") and route in each]
    return round(sum(float(each.split()[-1]) for each in found))


def test_a_session_by_clicks(tabs, films_server):
    tab = tabs.open()
    begin(tab)
    assert len(shown(tab)) == 10
    assert not {"i10", "i12", "i14"} & set(shown(tab))
    first = rows(tab).first
    item = shown(tab)[0]
    assert first.locator("h3").inner_text() == f"The Film {item} {1951 + int(item[1:])}"
    assert first.locator(".genres").inner_text() == "Drama, Comedy"
    assert first.locator(".why b").count() > 0
    before = shown(tab)
    done = [(answer(tab, kind, row), kind) for kind, row in [("like", 0), ("like", 4), ("skip", 0)]]
    assert tab.locator(".total").inner_text() == "+2"
    done.append((answer(tab, "dislike", 9), "dislike"))
    assert tab.locator(".total").inner_text() == "+1"
    assert stored(films_server, tab) == done
    assert not {item for item, _ in done} & set(shown(tab))
    assert len(shown(tab)) == 10
    assert set(shown(tab)) - set(before)
    label = tab.locator(".curve svg").get_attribute("aria-label")
    assert label == "Reward after each answer, 4 answers: Reward +1"
    assert "2 liked, 1 disliked, 1 skipped" in tab.locator("aside").inner_text()
    tab.get_by_role("button", name="New session").click()
    tab.get_by_role("heading", name="Who is it for?").wait_for()


def test_somebody_of_the_log_is_found_by_id(tabs, films_server):
    tab = tabs.open()
    tab.locator(".people li").nth(3).wait_for()
    assert tab.locator(".people li").count() == 4
    tab.get_by_label("Search by user id").fill("u1")
    tab.get_by_role("option").first.wait_for()
    assert tab.get_by_role("option").all_inner_texts()[0].startswith("u10")
    tab.get_by_role("option").nth(1).click()
    tab.get_by_role("heading", name="For user u11").wait_for()
    rows(tab).first.wait_for()
    assert films_server.ask(f"/v1/sessions/{session_of(tab)}/history")[1]["user"] == "u11"
    logged = films_server.ask("/v1/users/u11/recommendations")[1]["items"]
    assert shown(tab) == [each["item"] for each in logged]


def test_a_reload_goes_on_with_the_session(tabs, films_server):
    tab = tabs.open()
    begin(tab)
    gone = [answer(tab, "like"), answer(tab, "dislike")]
    session, before = session_of(tab), shown(tab)
    tab.reload()
    rows(tab).first.wait_for()
    assert session_of(tab) == session
    assert shown(tab) == before
    assert tab.locator(".total").inner_text() == "0"
    names = tab.locator(".past li").all_inner_texts()
    assert [name[:12] for name in names] == [f"The Film {item}" for item in reversed(gone)]
    answer(tab, "like")
    assert len(stored(films_server, tab)) == 3


def test_two_tabs_are_two_sessions(tabs, films_server):
    one = tabs.open()
    begin(one)
    two = tabs.beside(one.context)
    begin(two, "i11", "i13", "i15")
    assert session_of(one) != session_of(two)
    item = answer(one, "like")
    assert stored(films_server, one) == [(item, "like")]
    assert stored(films_server, two) == []


def test_a_tab_that_was_duplicated_begins_anew(tabs):
    one = tabs.open()
    begin(one)
    session = session_of(one)
    with one.expect_popup() as opened:  # takes over a copy of what the tab keeps
        one.evaluate("window.open('/')")
    two = opened.value
    assert json.loads(one.evaluate("sessionStorage.getItem('drrec.session')"))["session"] == session
    two.get_by_role("heading", name="Who is it for?").wait_for()
    answer(one, "like")


def test_two_models_answer_one_session_side_by_side(tabs, films_server):
    tab = tabs.open()
    begin(tab)
    answer(tab, "like")
    tab.get_by_role("button", name="Side by side").click()
    rows(tab, 1).first.wait_for()
    assert tab.locator(".list h2").all_inner_texts() == ["films item_knn", "rival popularity"]
    assert shown(tab, 0) != shown(tab, 1)
    only = next(n for n, item in enumerate(shown(tab, 1)) if item not in shown(tab, 0))
    item = answer(tab, "like", only, place=1)
    assert stored(films_server, tab)[-1] == (item, "like")
    assert item not in shown(tab, 0)
    keys = tab.locator(".keys li").all_inner_texts()
    assert keys == ["films 0", "rival +1"]
    liked = {"liked": ["i10", "i12", "i14"], "model": "rival"}
    context = [{"item": each, "feedback": kind} for each, kind in stored(films_server, tab)]
    _, told = films_server.ask("/v1/recommendations", liked | {"context": context})
    assert shown(tab, 1) == [each["item"] for each in told["items"]]
    tab.reload()
    rows(tab, 1).first.wait_for()
    assert tab.locator(".keys li").all_inner_texts() == keys


def test_a_title_is_text_whatever_it_holds(tabs):
    tab = tabs.open()
    tab.get_by_label("Search by title").fill("bold")
    assert tab.get_by_role("option").inner_text() == HOSTILE
    tab.get_by_role("option").click()
    assert tab.locator(".chosen li").inner_text() == HOSTILE
    tab.get_by_role("button", name="Remove").click()
    begin(tab)
    for _ in range(30):
        if "i03" in shown(tab):
            break
        answer(tab, "skip")
    row = shown(tab).index("i03")
    assert rows(tab).nth(row).locator("h3").inner_text() == HOSTILE.replace("(1999)", "1999")
    answer(tab, "like", row)
    assert HOSTILE in tab.locator(".past").inner_text()
    assert tab.locator("img, main b b, h3 b").count() == 0
    assert tab.evaluate("window.hacked") is None


def test_what_came_in_glides_unless_motion_is_unwanted(tabs):
    for wanted, motion in [(True, "no-preference"), (False, "reduce")]:
        tab = tabs.open(reduced_motion=motion)
        begin(tab)
        tab.evaluate(COUNTED)
        answer(tab, "like")
        moved = {"opacity", "transform"} if wanted else set()
        assert set(tab.evaluate("window.moved")) == moved


def test_the_model_view_has_the_numbers_of_the_run(tabs):
    tab = tabs.open("#model")
    tab.locator(".served").nth(1).wait_for()
    films, rival = tab.locator(".served").all()
    table = films.locator("table").inner_text()
    assert ".654 [.610, .690]" in table
    assert ".432 [.400, .470]" in table
    label = films.locator(".intervals").get_attribute("aria-label")
    assert label == "ndcg@5: random .432, item_knn .654"
    assert films.locator(".chart").get_attribute("aria-label") == "Mean reward over 80 steps"
    films.get_by_label("Protocol").select_option("session")
    assert "1.250" in films.locator("table").inner_text()
    assert films.locator(".intervals").get_attribute("aria-label") == "regret: item_knn 1.250"
    assert "There is no evaluation of this model" in rival.inner_text()


def test_the_traffic_view_counts_what_others_ask(tabs, films_server):
    tab = tabs.open("#traffic")
    row = tab.get_by_role("row").filter(has_text="/v1/users/{user}/recommendations")
    count = row.get_by_role("cell").first
    before = counted(films_server, "drrec_requests_total", route="/v1/users/{user}/recommendations")
    for _ in range(7):
        assert films_server.ask("/v1/users/u01/recommendations")[0] == 200
    count.and_(tab.get_by_text(str(before + 7), exact=True)).wait_for()
    assert tab.locator("table").inner_text().count("/metrics") == 0
    numbers = tab.locator(".number")
    numbers.first.filter(has_text=re.compile(r"^[\d.]+$")).wait_for()
    assert numbers.nth(2).inner_text() == str(counted(films_server, "drrec_feedback_total"))
