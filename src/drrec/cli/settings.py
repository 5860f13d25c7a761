"""Files of settings, which the command line names."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

from drrec.config import TrainConfig, from_dict
from drrec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


def config_path(given: Sequence[str]) -> pathlib.Path | None:
    """The file that --config names: its settings are the defaults that flags override."""
    for position, argument in enumerate(given):
        if argument == "--config" and position + 1 < len(given):
            return pathlib.Path(given[position + 1])
        if argument.startswith("--config="):
            return pathlib.Path(argument.removeprefix("--config="))
    return None


def settings_in(path: pathlib.Path) -> TrainConfig:
    """The settings of a YAML file, which are the defaults that flags override.

    Raises:
        InputError: there is no such file, or it holds no settings.
    """
    return from_dict(TrainConfig, read_yaml(path) or {}, str(path))


def read_yaml(path: pathlib.Path) -> Any:
    """What a YAML file holds.

    Raises:
        InputError: there is no such file, or it is no YAML.
    """
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"Expected settings in {path}. Received: no such file.") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        line = " ".join(str(error).split())
        raise InputError(f"Expected YAML in {path}. Received: {line}.") from error
