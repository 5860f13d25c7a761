"""The page by keyboard, on a phone, and for people who see or hear it otherwise."""

import pytest
from tests.serving.pages import answer, begin, rows, shown, stored

CONTRAST = r"""() => {
  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const over = ([r, g, b, a = 1], below) => [r, g, b].map((v, i) => v * a + below[i] * (1 - a));
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const below = (element) => {
    if (!element) return [255, 255, 255];
    const own = numbers(getComputedStyle(element).backgroundColor);
    return own[3] === 0 ? below(element.parentElement) : over(own, below(element.parentElement));
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const style = getComputedStyle(element);
    const isSvg = element instanceof SVGElement;
    if (!walker.currentNode.data.trim() || element.closest("noscript, :disabled")) continue;
    if (!element.checkVisibility() || element.closest(".unseen, [inert]")) continue;
    seen += 1;
    const back = below(element);
    const ink = over(numbers(isSvg ? style.fill : style.color), back);
    const [low, high] = [light(ink), light(back)].sort((one, other) => one - other);
    const ratio = (high + 0.05) / (low + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) poor.push(`${walker.currentNode.data}: ${ratio.toFixed(2)}`);
  }
  return { seen, poor };
}"""

NAMES = """() => {
  const named = (each) => each.getAttribute("aria-label") || each.labels?.length
    || each.innerText?.trim() || each.getAttribute("aria-labelledby");
  const all = [...document.querySelectorAll("a, button, input, select, [role=img], nav, aside")];
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  const pointing = ["aria-labelledby", "aria-describedby"];
  const pointed = [...document.querySelectorAll("[aria-labelledby], [aria-describedby]")]
    .flatMap((each) => pointing.map((name) => each.getAttribute(name)))
    .filter((id) => id && !document.getElementById(id));
  return {
    count: all.length,
    unnamed: all.filter((each) => !named(each)).map((each) => each.outerHTML),
    twice: ids.filter((id, place) => ids.indexOf(id) !== place),
    pointed,
    headings: document.querySelectorAll("h1").length,
    wide: document.documentElement.scrollWidth > innerWidth,
    small: [...document.querySelectorAll("button, select, input")]
      .filter((each) => each.checkVisibility())
      .map((each) => each.getBoundingClientRect())
      .filter(({ width, height }) => width < 24 || height < 24).length,
  };
}"""


def views(tab):
    """Every view, one after the other."""
    tab.get_by_role("heading", name="Who is it for?").wait_for()
    tab.get_by_label("Search by title").fill("film")
    tab.get_by_role("option").first.wait_for()
    yield "suggestions"
    tab.get_by_label("Search by title").fill("")
    begin(tab)
    for kind in ("like", "dislike", "skip"):
        answer(tab, kind)
    yield "session"
    tab.get_by_role("button", name="Side by side").click()
    rows(tab, 1).first.wait_for()
    yield "side by side"
    tab.get_by_role("link", name="Model").click()
    tab.locator("table").first.wait_for()
    yield "model"
    tab.get_by_role("link", name="Traffic").click()
    tab.locator("td").first.wait_for()
    yield "traffic"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_words_can_be_read_and_all_that_can_be_used_has_a_name(tabs, scheme, width):
    tab = tabs.open(
        color_scheme=scheme, viewport={"width": width, "height": 844}, reduced_motion="reduce"
    )
    for view in views(tab):
        contrast = tab.evaluate(CONTRAST)
        assert contrast["poor"] == [], view
        assert contrast["seen"] > 15, view
        found = tab.evaluate(NAMES)
        assert found.pop("count") > 5, view
        expected = {"unnamed": [], "twice": [], "pointed": [], "headings": 1, "small": 0}
        assert found == expected | {"wide": False}, view


def focused(tab):
    """What the focus is on, as a screen reader has it."""
    return tab.evaluate(
        "() => document.activeElement.getAttribute('aria-label')"
        " || document.activeElement.innerText || document.activeElement.id"
    )


def tab_to(tab, name, most=60):
    """Press Tab until the focus is there."""
    for _ in range(most):
        tab.keyboard.press("Tab")
        if focused(tab).startswith(name):
            return
    raise AssertionError(f"Tab never comes to {name}")


def test_a_session_by_keyboard_alone(tabs, films_server):
    tab = tabs.open()
    tab.get_by_role("heading", name="Who is it for?").wait_for()
    tab.keyboard.press("Tab")
    assert focused(tab) == "Skip to the content"
    tab.keyboard.press("Enter")
    assert focused(tab).startswith("Who is it for?")
    tab_to(tab, "title")
    for word in ("i10", "i12", "i14"):
        tab.keyboard.type(word)
        tab.get_by_role("option").first.wait_for()
        tab.keyboard.press("ArrowDown")
        tab.keyboard.press("Enter")
    tab_to(tab, "Start")
    tab.keyboard.press("Enter")
    rows(tab).first.wait_for()
    first, second, third = shown(tab)[:3]
    tab_to(tab, f"Like The Film {first}")
    tab.keyboard.press("Enter")
    tab.locator(f"[data-item={first}]").wait_for(state="detached")
    assert focused(tab).startswith("Like The Film ")  # of another row: the focus is not lost
    row = focused(tab)[len("Like The Film ") :][:3]
    assert row == second
    tab.keyboard.press("d")
    tab.locator(f"[data-item={second}]").wait_for(state="detached")
    assert stored(films_server, tab) == [(first, "like"), (second, "dislike")]
    at = shown(tab).index(focused(tab)[len("Like The Film ") :][:3])
    tab.keyboard.press("ArrowDown")
    assert focused(tab).startswith(f"Like The Film {shown(tab)[at + 1]}")
    assert third not in {first, second}
    outline = tab.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_what_came_in_is_said(tabs):
    tab = tabs.open()
    begin(tab)
    before = set(shown(tab))
    item = answer(tab, "like")
    came = [f"The Film {each}" for each in shown(tab) if each not in before]
    said = tab.get_by_role("status").inner_text()
    assert said.startswith(f"Liked The Film {item}")
    assert came
    assert all(each in said for each in came)
