"""The flags of one agent: those of the algorithm that the command line or its file names."""

from __future__ import annotations

import dataclasses
import functools
import typing
from typing import TYPE_CHECKING, Any

from drrec.agents.config import AgentConfig
from drrec.cli.settings import value_of
from drrec.reading import read_yaml
from drrec.registry import AGENTS, agent_config

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence


def algorithm_in(given: Sequence[str], path: pathlib.Path | None) -> str:
    """What `--algorithm` says, or else the file of settings, or else ddpg.

    Raises:
        InputError: there is no such agent.
    """
    name = value_of("--algorithm", given)
    if name is None and path is not None:
        values = read_yaml(path)
        name = values.get("algorithm") if isinstance(values, dict) else None
    return AGENTS.checked(name or "ddpg", "algorithm")


def with_flags_of(cls: Any, algorithm: str) -> Any:
    """The same dataclass, its agent's settings those of `algorithm`; itself if it has none."""
    config: Any = agent_config(algorithm)
    return _with_flags_of(cls, algorithm, config)


@functools.cache  # many stages hold the same settings, and types are looked up slowly
def _with_flags_of(cls: Any, algorithm: str, config: Any) -> Any:
    hints = typing.get_type_hints(cls)
    changed: list[Any] = []
    for field in dataclasses.fields(cls):
        kind = hints[field.name]
        if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
            continue
        is_agent = issubclass(kind, AgentConfig)
        shown = config if is_agent else _with_flags_of(kind, algorithm, config)
        if shown is not kind:
            factory = dataclasses.field(default_factory=shown)
            changed.append((field.name, shown, factory))
    if any(field.name == "algorithm" for field in dataclasses.fields(cls)):
        named = hints["algorithm"]
        with_mark = typing.get_type_hints(cls, include_extras=True)["algorithm"]
        changed.append(("algorithm", with_mark or named, dataclasses.field(default=algorithm)))
    if not changed:
        return cls
    same = {"__doc__": cls.__doc__, "__module__": cls.__module__, "__qualname__": cls.__qualname__}
    return dataclasses.make_dataclass(
        cls.__name__, changed, bases=(cls,), namespace=same, frozen=True, kw_only=True
    )


def as_given(value: Any) -> Any:
    """What `with_flags_of` made, as the class that it was made from."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    cls: Any = type(value)
    while cls.__base__ is not object and cls.__qualname__ == cls.__base__.__qualname__:
        cls = cls.__base__
    fields = {f.name: as_given(getattr(value, f.name)) for f in dataclasses.fields(cls) if f.init}
    return cls(**fields)
