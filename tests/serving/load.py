"""Feedback that threads send to a server until it is gone, and what of it was acknowledged."""

from __future__ import annotations

import collections
import http.client
import threading


def event_of(name: str) -> dict:
    """An event; its item and rating follow from its name."""
    number = int(name.rpartition("-")[2])
    return {"event": name, "item": f"i{number % 80:02}", "rating": 1 + number % 5}


class Load:
    """One thread for each session."""

    def __init__(self, server, sessions, enough: int) -> None:
        self.server, self.enough = server, enough
        self.acknowledged: set[tuple[str, str]] = set()
        self.sent: set[tuple[str, str]] = set()
        self.odd: list = []
        self.has_enough = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(each,)) for each in sessions]
        for each in self._threads:
            each.start()

    def _send(self, session: str) -> None:
        number = 0
        while True:
            name = f"{self.server.process.pid}-{number}"
            self.sent.add((session, name))
            try:
                url = f"/v1/sessions/{session}/feedback"
                status, told = self.server.ask(url, event_of(name))
            except (OSError, http.client.HTTPException):  # it is dead
                return
            if status != 200:
                self.odd.append((status, told))
                return
            self.acknowledged.add((session, name))
            number += 1
            if len(self.acknowledged) >= self.enough:
                self.has_enough.set()

    def join(self) -> None:
        """Wait until all have ended."""
        for each in self._threads:
            each.join()


def stored_in(server, sessions) -> collections.Counter[tuple[str, str]]:
    """How often each event is stored."""
    found: collections.Counter[tuple[str, str]] = collections.Counter()
    for session in sessions:
        _, history = server.ask(f"/v1/sessions/{session}/history")
        found.update((session, each["event"]) for each in history["events"])
    return found
