"""Settings of the server: each field's docstring is its `--help`."""

from __future__ import annotations

import dataclasses
from typing import Literal

from drrec.ranges import check_ranges
from drrec.registry import check_choices


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """HTTP server."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 is every address of this machine."""
    port: int = 8000
    """Port to listen on; 0 takes a free one. [0 to 65535]"""
    hosts: str = ""
    """Names that clients may call the server by (the Host header), joined by commas. By default
    those of this machine, or any if --host is not a loopback address."""
    retrieval: Literal["auto", "exact", "faiss"] = "auto"
    """How the best items are found: exact, by an index of faiss, or exact up to 200,000 items."""
    workers: int = 1
    """Number of processes; each loads the run. [1 to 64]"""
    share: float = 0.1
    """Share of users and sessions that the run of --also serves. [0 to 1]"""
    explore: float = 0.0
    """Probability, at each position of a session's list, of an item drawn evenly from the best
    100. [0 to 1]"""
    log_lists: bool = False
    """Store the lists that are asked for without a session, too."""
    watch: float = 2.0
    """Seconds between looks for a newer run; 0 never looks. [0 to 86,400]"""
    max_waiting: int = 256
    """Requests that a worker has accepted and not answered; more get 429. [1 to 100,000]"""
    max_body: int = 1 << 20
    """Bytes of a request's body; more get 413. [1,024 to 2^30]"""
    header_seconds: float = 10.0
    """Seconds that a client may take to send the head of a request. (0 to 3,600]"""
    body_seconds: float = 20.0
    """Seconds that a client may take to send the body; more get 408. (0 to 3,600]"""
    answer_seconds: float = 30.0
    """Seconds that an answer may take, beside the body; more get 503. (0 to 3,600]"""
    stop_seconds: float = 30.0
    """Seconds that requests have to end after SIGTERM. (0 to 3,600]"""

    def __post_init__(self) -> None:
        check_choices(self)
        seconds = ("header_seconds", "body_seconds", "answer_seconds", "stop_seconds")
        check_ranges(
            self,
            {
                "[0, 65535]": ("port",),
                "[1, 64]": ("workers",),
                "[0, 1]": ("share", "explore"),
                "[0, 86400]": ("watch",),
                "[1, 100000]": ("max_waiting",),
                f"[1024, {1 << 30}]": ("max_body",),
                "(0, 3600]": seconds,
            },
        )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host == "localhost" or self.host == "::1" or self.host.startswith("127.")

    @property
    def allowed_hosts(self) -> frozenset[str] | None:
        """Names that the Host header may have; None is any."""
        if self.hosts:
            return frozenset(each.strip().lower() for each in self.hosts.split(",") if each.strip())
        return frozenset({"localhost", "127.0.0.1", "::1", self.host}) if self.is_loopback else None
