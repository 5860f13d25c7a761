"""All settings that decide what an agent learns: of its vectors, sessions, networks and content."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from typing import Any, Self, get_type_hints

from drrec.agents.config import AgentConfig, check_blend
from drrec.embeddings.config import ContentConfig, EmbeddingConfig
from drrec.envs.config import LoggedConfig
from drrec.errors import InputError, shown


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """An agent's settings by part; flags and constructor arguments are the fields of all parts."""

    seed: int = 0
    """Random seed. Does not affect the split. [0 to 2^31 - 1]"""
    vectors: EmbeddingConfig = dataclasses.field(default_factory=EmbeddingConfig)
    environment: LoggedConfig = dataclasses.field(default_factory=LoggedConfig)
    agent: AgentConfig = dataclasses.field(default_factory=AgentConfig)
    content: ContentConfig = dataclasses.field(default_factory=ContentConfig)

    def __post_init__(self) -> None:
        vectors = self.vectors.in_sessions(self.environment.sessions)
        object.__setattr__(self, "vectors", vectors)
        check_blend(self.agent, self.content.modality)

    @classmethod
    def of(cls, config: type[AgentConfig], seed: int, given: dict[str, Any]) -> Self:
        """From constructor arguments.

        Args:
            config: the class of the agent's own settings.
            seed: the random seed.
            given: values by name.

        Raises:
            InputError: a name is unknown, or a value is out of its range.
        """
        left = dict(given)
        parts = {
            "vectors": _made(EmbeddingConfig, left),
            "environment": _made(LoggedConfig, left),
            "agent": _made(config, left),
            "content": _made(ContentConfig, left),
        }
        if left:
            known = [*names(EmbeddingConfig), *names(LoggedConfig), *names(config)]
            known += [*names(ContentConfig), "seed"]
            first = next(iter(left))
            near = difflib.get_close_matches(first, known, n=1)
            hint = f"Did you mean {shown(near[0])}?" if near else f"There are: {', '.join(known)}."
            raise InputError(f"Expected a known setting. Received: {shown(first)}. {hint}")
        if not 0 <= seed < 1 << 31:
            raise InputError(f"`seed` must be in [0, 2^31). Received: {seed}.")
        return cls(seed=seed, **parts)

    def flat(self) -> dict[str, Any]:
        """Values by name, as `of` takes them, with the seed."""
        found: dict[str, Any] = {"seed": self.seed}
        for part in (self.vectors, self.environment, self.agent, self.content):
            found |= _flat(part)
        return found


def names(part: type[Any]) -> list[str]:
    """Names of all settings of a part, those of its own parts among them."""
    hints = get_type_hints(part)
    return [
        name
        for field in dataclasses.fields(part)
        for name in (
            names(hints[field.name])
            if dataclasses.is_dataclass(hints[field.name])
            else [field.name]
        )
    ]


def _made(part: type[Any], given: dict[str, Any]) -> Any:
    """A part of what `given` has for it, which is taken out."""
    hints = get_type_hints(part)
    own: dict[str, Any] = {}
    for field in dataclasses.fields(part):
        if dataclasses.is_dataclass(hints[field.name]):
            own[field.name] = _made(hints[field.name], given)
        elif field.name in given:
            own[field.name] = given.pop(field.name)
    return part(**own)


def _flat(part: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        found |= _flat(value) if dataclasses.is_dataclass(value) else {field.name: value}
    return found


def signature_of(config: type[AgentConfig]) -> inspect.Signature:
    """Of a constructor that takes all settings by name."""
    found = {"seed": 0} | Settings.of(config, 0, {}).flat()
    return inspect.Signature(
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value)
            for name, value in found.items()
        ]
    )
