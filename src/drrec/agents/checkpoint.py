"""Everything that learns, in one file that is whole or absent.

A checkpoint resumes training; a saved model (`drrec.saving`) is for inference.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import pathlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from drrec.arrays import read_arrays, write_arrays
from drrec.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

_NAME = re.compile(r"step-(\d+)\.npz")
_KEPT = 2
_SETTINGS = "settings"


def named_variables(root: Any, name: str = "") -> Iterator[tuple[str, tf.Variable]]:
    """Every variable below `root`, with its path, read off dataclasses, tuples and mappings."""
    if isinstance(root, tf.Variable):
        yield name, root
    elif isinstance(root, keras.layers.Layer | keras.optimizers.Optimizer):
        for number, variable in enumerate(root.variables):
            yield f"{name}/{number}", variable.value
    elif dataclasses.is_dataclass(root):
        for field in dataclasses.fields(root):
            yield from named_variables(getattr(root, field.name), f"{name}/{field.name}")
    elif isinstance(root, Mapping):
        for key, value in root.items():
            yield from named_variables(value, f"{name}/{key}")
    elif isinstance(root, tuple) and hasattr(root, "_fields"):
        for field_name, value in zip(root._fields, root, strict=True):
            yield from named_variables(value, f"{name}/{field_name}")
    else:
        raise TypeError(
            f"Expected variables or what holds them at {shown(name)}. Received: {shown(root)}."
        )


def fields_of(learner: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, to name the variables of which in another's."""
    return {field.name: getattr(learner, field.name) for field in dataclasses.fields(learner)}


def save_checkpoint(
    folder: pathlib.Path, learner: Any, step: int, settings: str = ""
) -> pathlib.Path:
    """Write `step-<step>.npz`, then remove all but the last two up to it.

    Args:
        folder: of the run's checkpoints.
        learner: see `named_variables`.
        step: environment steps so far.
        settings: a hash of what it learns by, for `restore_latest`; "" if nothing is to be checked.
    """
    path = folder / f"step-{step:012d}.npz"
    arrays: dict[str, Any] = {_SETTINGS: np.array(settings)}
    arrays |= {name: value.numpy() for name, value in named_variables(learner)}
    write_arrays(path, arrays)
    kept = [each for each in checkpoints(folder) if each.name <= path.name][-_KEPT:]
    for old in checkpoints(folder):
        if old not in kept:  # older; or later and broken, for training went on from before it
            old.unlink()
    return path


def checkpoints(folder: pathlib.Path) -> list[pathlib.Path]:
    """Complete checkpoints, oldest first: a half-written one has another name."""
    return sorted(path for path in folder.glob("step-*.npz") if _NAME.fullmatch(path.name))


def restore_latest(folder: pathlib.Path, learner: Any, settings: str = "") -> int:
    """Read the last whole checkpoint into `learner` and return its step; 0 if there is none.

    A broken one is passed over for the one before it, and a warning says so. Where all are broken
    nothing is begun anew: what was learned is not thrown away without a word.

    Args:
        folder: of the run's checkpoints.
        learner: see `named_variables`.
        settings: a hash of what it learns by; "" takes a checkpoint of any.

    Raises:
        InputError: all are broken, or one was written with other settings or holds other variables
            than `learner` has.
    """
    path, values = _latest(folder)
    if path is None:
        return 0
    variables = dict(named_variables(learner))
    _check_settings(path, values.pop(_SETTINGS, None), settings)
    _check_variables(path, values, variables)
    for name, variable in variables.items():
        variable.assign(values[name])
    return int(_NAME.fullmatch(path.name).group(1))  # type: ignore[union-attr]


def latest_values(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """The variables in the last whole checkpoint by name; none if there is no checkpoint.

    Raises:
        InputError: all are broken.
    """
    values = _latest(folder)[1]
    values.pop(_SETTINGS, None)
    return values


def _latest(folder: pathlib.Path) -> tuple[pathlib.Path | None, dict[str, np.ndarray]]:
    found = checkpoints(folder)[::-1]
    for path, before in itertools.zip_longest(found, found[1:]):
        try:
            return path, _whole(path)
        except InputError:
            if before is None:
                raise
            logger.warning("%s is broken: going on from %s", path, before.name)
    return None, {}


def _whole(path: pathlib.Path) -> dict[str, np.ndarray]:
    mend = f"Remove {path.parent} to train from the start."
    return read_arrays(path, "a whole checkpoint", mend)


def _check_settings(path: pathlib.Path, written: np.ndarray | None, settings: str) -> None:
    if written is not None and settings and str(written) not in ("", settings):
        raise InputError(
            f"Expected the settings, and the content features, that {path} was written with. "
            "Received: others. Undo the change of config.yaml or of the features to go on with "
            "this run, or train a new one by --config and another --name."
        )


def _check_variables(
    path: pathlib.Path, values: Mapping[str, np.ndarray], variables: Mapping[str, tf.Variable]
) -> None:
    forms = {name: (tuple(v.shape), v.dtype.as_numpy_dtype) for name, v in variables.items()}
    found_forms = {name: (value.shape, value.dtype.type) for name, value in values.items()}
    if found_forms != forms:
        differ = sorted(
            name
            for name in forms.keys() | found_forms.keys()
            if forms.get(name) != found_forms.get(name)
        )
        raise InputError(
            f"Expected the variables of this run's settings in {path}. Received: others, "
            f"first {differ[0]}. Resume with the settings and version it was trained with."
        )
