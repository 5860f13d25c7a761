"""Flags of Ray."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import tyro

from drrec.errors import InputError
from drrec.ranges import check_ranges

LOCAL = "local"
"""The address of a cluster that is begun for one command, on this machine."""


def _address(words: list[str]) -> str:
    if len(words) > 1:
        raise ValueError("one address at most")
    return words[0] if words else LOCAL


def _words(address: str | None) -> list[str]:
    return [] if address in (None, LOCAL) else [str(address)]


def _is_address(value: object) -> bool:
    return value is None or isinstance(value, str)


_OPTIONAL = tyro.constructors.PrimitiveConstructorSpec(
    nargs="*",
    metavar="[ADDRESS]",
    instance_from_str=_address,
    is_instance=_is_address,
    str_from_instance=_words,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RayConfig:
    """Ray."""

    ray: Annotated[str | None, _OPTIONAL] = None
    """Spread the work over a Ray cluster: without ADDRESS one begun for this command on this
    machine, auto the one that runs here, HOST:PORT another."""
    ray_workers: int | None = None
    """Most workers at a time; by default as many as the cluster has room for. [1 to 10,000]"""
    ray_cores: int | None = None
    """Cores that a worker takes, and its threads. By default a worker takes one core and has as
    many threads as this process would, so that it gives the same results to the last bit.
    [1 to 1,024]"""

    def __post_init__(self) -> None:
        check_ranges(self, {"[1, 10000]": ("ray_workers",), "[1, 1024]": ("ray_cores",)})
        if self.ray == "":
            raise InputError(
                "Expected --ray with an address, auto, or nothing. Received: ''. Leave it out."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReplicaConfig:
    """Replicas of a server, with --ray."""

    replicas: int = 1
    """Least replicas. [1 to 10,000]"""
    most_replicas: int | None = None
    """Most replicas; by default as many as the least, so that the load changes nothing.
    [1 to 10,000]"""
    replica_load: float = 8.0
    """Requests in flight for each replica that the number of replicas aims at. (0 to 10^6]"""
    most_in_flight: int = 256
    """Requests in flight of one replica; further ones wait. [1 to 10^6]"""

    def __post_init__(self) -> None:
        check_ranges(
            self,
            {
                "[1, 10000]": ("replicas", "most_replicas"),
                "(0, 1000000]": ("replica_load",),
                "[1, 1000000]": ("most_in_flight",),
            },
        )
        if self.most_replicas is not None and self.most_replicas < self.replicas:
            raise InputError(
                f"Expected --most-replicas of at least --replicas. Received: {self.most_replicas} "
                f"and {self.replicas}. Raise the one or lower the other."
            )
