"""Readers of JSON, YAML and NumPy files, which never trust what they read."""

from __future__ import annotations

import json
import pathlib
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

from drrec.errors import InputError

if TYPE_CHECKING:
    import os

    import numpy as np


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
        raise InputError(f"Expected JSON in {path}. Received: {error}.") from error


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


def read_arrays(path: str | os.PathLike[str], what: str, mend: str) -> dict[str, np.ndarray]:
    """Read all arrays of an `.npz`; nothing is unpickled.

    Raises:
        InputError: the file is missing or damaged; the message names it `what` and ends in `mend`.
    """
    import numpy as np  # not above: `--help` need not load it

    try:
        # Opened here: of a broken file NumPy would leave the handle open.
        with pathlib.Path(path).open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError as error:
        raise InputError(f"Expected {what} in {path}. Received: nothing there. {mend}") from error
    except (
        *(OSError, EOFError, KeyError, RuntimeError, TypeError, ValueError),
        *(zipfile.BadZipFile, zlib.error),
    ) as error:
        line = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"Expected {what} in {path}. Received: {line}. {mend}") from error
