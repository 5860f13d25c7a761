"""Tabs of a headless browser on a real server, which note what goes wrong in them."""

from __future__ import annotations

import contextlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM = shutil.which("chromium")
KEPT = "sessionStorage.getItem('drrec.session')"


@contextlib.contextmanager
def headless() -> Iterator[Any]:
    """Debian's Chromium."""
    sync = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    with sync.sync_playwright() as playwright:
        # Chromium refuses its sandbox to root, who runs the tests in containers.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Tabs:
    """Tabs on one server; `faults` is what their consoles said, and other hosts they asked."""

    def __init__(self, browser: Any, port: int) -> None:
        self.browser = browser
        self.origin = f"http://127.0.0.1:{port}"
        self.faults: list[str] = []
        self.contexts: list[Any] = []

    def open(self, view: str = "", **settings: Any) -> Any:
        """A tab in a window of its own."""
        context = self.browser.new_context(**settings)
        context.set_default_timeout(20_000)
        self.contexts.append(context)
        return self.beside(context, view)

    def beside(self, context: Any, view: str = "") -> Any:
        """One more tab in a window."""
        tab = context.new_page()
        tab.on("console", lambda said: self.faults.append(said.text))
        tab.on("pageerror", lambda error: self.faults.append(str(error)))
        tab.on("request", self._note)
        tab.goto(f"{self.origin}/{view}")
        return tab

    def _note(self, request: Any) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:")):
            self.faults.append(request.url)

    def close(self) -> None:
        for context in self.contexts:
            context.close()


def begin(tab: Any, *words: str) -> None:
    """Open a session of somebody who likes what is found by these words."""
    for word in words or ("i10", "i12", "i14"):
        tab.get_by_label("Search by title").fill(word)
        tab.get_by_role("option").first.click()
    tab.get_by_role("button", name="Start").click()
    rows(tab).first.wait_for()


def rows(tab: Any, place: int = 0) -> Any:
    """The rows of a list that do not fade."""
    return tab.locator(".rows").nth(place).locator("li:not([inert])")


def shown(tab: Any, place: int = 0) -> list[str]:
    """Items of a list."""
    return rows(tab, place).evaluate_all("all => all.map((each) => each.dataset.item)")


def answer(tab: Any, kind: str, row: int = 0, place: int = 0) -> str:
    """Answer a row, and wait until it has left; its item."""
    item = shown(tab, place)[row]
    rows(tab, place).nth(row).locator(f"button.{kind}").click()
    rows(tab, place).and_(tab.locator(f"[data-item={item}]")).wait_for(state="detached")
    return item


def session_of(tab: Any) -> str:
    """The id of a tab's session."""
    return json.loads(tab.evaluate(KEPT))["session"]


def stored(server: Any, tab: Any) -> list[tuple[str, str]]:
    """What the server has of a tab's session."""
    status, history = server.ask(f"/v1/sessions/{session_of(tab)}/history")
    assert status == 200, history
    return [(each["item"], each["feedback"]) for each in history["events"]]
