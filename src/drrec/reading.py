"""Readers of JSON, YAML and NumPy files, which never trust what they read."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Any

from drrec.errors import InputError, told

if TYPE_CHECKING:
    import os


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read JSON.

    Raises:
        InputError: the file is missing or is not JSON.
    """
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"Expected a file at {path}. Received: nothing there.") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"Expected JSON in {path}. Received: {told(error)}.") from error


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """Read YAML, as plain values.

    Raises:
        InputError: the file is missing or is not YAML.
    """
    import yaml

    try:
        return yaml.safe_load(pathlib.Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"Expected settings in {path}. Received: no such file.") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        line = " ".join(str(error).split())
        raise InputError(f"Expected YAML in {path}. Received: {line}.") from error
