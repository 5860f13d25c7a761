"""Everything that learns, in one file that is whole or absent.

A checkpoint resumes training; a saved model (`drrec.saving`) is for inference.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from drrec.arrays import read_arrays, write_arrays
from drrec.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"step-(\d+)\.npz")
_KEPT = 2


def named_variables(root: Any, name: str = "") -> Iterator[tuple[str, tf.Variable]]:
    """Every variable below `root`, with its path, read off the fields of dataclasses and tuples."""
    if isinstance(root, tf.Variable):
        yield name, root
    elif isinstance(root, keras.layers.Layer | keras.optimizers.Optimizer):
        for number, variable in enumerate(root.variables):
            yield f"{name}/{number}", variable.value
    elif dataclasses.is_dataclass(root):
        for field in dataclasses.fields(root):
            yield from named_variables(getattr(root, field.name), f"{name}/{field.name}")
    elif isinstance(root, tuple) and hasattr(root, "_fields"):
        for field_name, value in zip(root._fields, root, strict=True):
            yield from named_variables(value, f"{name}/{field_name}")
    else:
        raise TypeError(
            f"Expected variables or what holds them at {shown(name)}. Received: {shown(root)}."
        )


def save_checkpoint(folder: pathlib.Path, learner: Any, step: int) -> pathlib.Path:
    """Write `step-<step>.npz`, then remove all but the last two."""
    path = folder / f"step-{step:012d}.npz"
    write_arrays(path, {name: value.numpy() for name, value in named_variables(learner)})
    for old in checkpoints(folder)[:-_KEPT]:
        old.unlink()
    return path


def checkpoints(folder: pathlib.Path) -> list[pathlib.Path]:
    """Complete checkpoints, oldest first: a half-written one has another name."""
    return sorted(path for path in folder.glob("step-*.npz") if _NAME.fullmatch(path.name))


def restore_latest(folder: pathlib.Path, learner: Any) -> int:
    """Read the last complete checkpoint into `learner` and return its step; 0 if there is none.

    Raises:
        InputError: it is damaged, or holds other variables than `learner` has.
    """
    found = checkpoints(folder)
    if not found:
        return 0
    path = found[-1]
    values = read_arrays(path, "a whole checkpoint", "Remove it to go on from the one before.")
    variables = dict(named_variables(learner))
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
    for name, variable in variables.items():
        variable.assign(values[name])
    return int(_NAME.fullmatch(path.name).group(1))  # type: ignore[union-attr]
