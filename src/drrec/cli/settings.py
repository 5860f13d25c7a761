"""Files of settings, which the command line names by --config."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import pathlib
import typing
from typing import TYPE_CHECKING, Any

import tyro

from drrec.errors import InputError
from drrec.experiment.config import checked, from_dict
from drrec.limits import Limits
from drrec.reading import read_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence


PRESETS = pathlib.Path(__file__).parents[1] / "configs"
"""Settings that come with the package, and below them the tables of `benchmark`."""


def value_of(flag: str, given: Sequence[str]) -> str | None:
    """What the arguments give a flag, the last time that they do; None if they do not."""
    found = None
    for word, following in itertools.zip_longest(given, given[1:]):
        name, is_joined, value = word.partition("=")
        if name.replace("_", "-") == flag:
            found = value if is_joined else following
    return found


def limits_in(given: Sequence[str]) -> Limits:
    """The limits that the arguments give, for the files that are read before the rest of them.

    A value that is none is refused with the others.
    """
    found = {}
    for field in dataclasses.fields(Limits):
        value = value_of(f"--{field.name.replace('_', '-')}", given)
        with contextlib.suppress(TypeError, ValueError):
            found[field.name] = int(value)  # type: ignore[arg-type]
    return Limits(**found)


def config_path(given: Sequence[str]) -> pathlib.Path | None:
    """The file that --config names: its settings are the defaults that flags override.

    Raises:
        InputError: there is no such file, and no such preset.
    """
    named = value_of("--config", given)
    return None if named is None else _found(named)


def _found(named: str) -> pathlib.Path:
    """A file, or the preset of this name."""
    preset = PRESETS / f"{named}.yaml"
    for path in (pathlib.Path(named), preset):
        if path.is_file():
            return path
    there = ", ".join(sorted(path.stem for path in PRESETS.glob("*.yaml")))
    raise InputError(
        f"Expected a YAML file or a preset for --config. Received: {named}. Presets: {there}."
    )


def settings_in(path: pathlib.Path, stage: type) -> Any:
    """A stage's flags as a YAML file has them: a run's `config.yaml`, say.

    Settings are named and nested as in a run's `config.yaml`; flags that are not part of them, such
    as --name, stand beside them. What the file leaves out has its default, and what has none is
    left for the command line to say.

    Raises:
        InputError: there is no such file, or it holds what the stage does not know.
    """
    values = read_yaml(path) or {}
    hints = typing.get_type_hints(stage)
    given: dict[str, Any] = {}
    shared = {"device", "limits", "cluster"}
    parts = [name for name in hints if dataclasses.is_dataclass(hints[name]) and name not in shared]
    if isinstance(values, dict):
        values = {key: value for key, value in values.items() if key != "version"}
        if parts:
            inner = {key: value for key, value in values.items() if key not in hints}
            values = {key: value for key, value in values.items() if key in hints}
            given[parts[0]] = from_dict(hints[parts[0]], inner, str(path))
    given = checked(stage, values, str(path)) | given | {"config": path}
    for field in dataclasses.fields(stage):
        no_default = dataclasses.MISSING
        if field.default is no_default and field.default_factory is no_default:
            given.setdefault(field.name, tyro.MISSING)
    return stage(**given)
