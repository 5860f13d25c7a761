"""Save and load a model as one file of arrays with a JSON header; nothing is pickled."""

from __future__ import annotations

import dataclasses
import importlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.arrays import read_arrays, write_arrays
from drrec.errors import InputError, shown, told
from drrec.reading import parsed_json
from drrec.registry import AGENTS, BASELINES, CONTENT_BASELINES, LANGUAGE_MODELS

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from drrec.base import Recommender
    from drrec.registry import Registry

    ClassOf = Callable[[Registry, str, Mapping[str, Any]], Any]

VERSION = 1
"""Version of the file format."""

_MEND = "Save the model again."
_HOMES = (AGENTS, BASELINES, CONTENT_BASELINES, LANGUAGE_MODELS)
_PLAIN = (str, int, float, bool, type(None))


def write_model(
    path: str | os.PathLike[str], model: Recommender, notes: Mapping[str, Any] | None = None
) -> None:
    """Write a fitted model atomically.

    Args:
        path: the file.
        model: a fitted one.
        notes: plain values to keep with it, for `load_noted`.

    Raises:
        InputError: the model is not fitted, or its class is not registered.
    """
    import drrec

    arrays: dict[str, np.ndarray] = {}
    head = {"version": VERSION, "drrec": drrec.__version__} | _model(model, arrays, "")
    if notes:
        head["notes"] = dict(notes)
    write_arrays(path, {"head": np.array(json.dumps(head))} | arrays, compressed=True)


def load(path: str | os.PathLike[str]) -> Recommender:
    """Load a model from a file that `Recommender.save` wrote.

    Raises:
        InputError: the file is missing, damaged or of another version, or the model's class is
            not registered.

    Examples:
        >>> import drrec, pandas as pd
        >>> log = pd.DataFrame({"user": list("aabb"), "item": list("xyyz")})
        >>> drrec.EASE(l2=1.0).fit(drrec.Dataset.from_pandas(log)).save("ease.drrec")
        >>> drrec.load("ease.drrec").recommend(["a"], k=1)["item"].tolist()
        ['z']
    """
    return load_noted(path)[0]


def load_noted(path: str | os.PathLike[str]) -> tuple[Recommender, dict[str, Any]]:
    """The same, with the notes that were kept with the model, if any.

    Raises:
        InputError: as `load`.
    """
    head, arrays = read_model(path)
    return restored(head, arrays, path), dict(head.get("notes", {}))


def restored(
    head: dict[str, Any],
    arrays: dict[str, np.ndarray],
    path: str | os.PathLike[str],
    class_of: ClassOf | None = None,
) -> Recommender:
    """The model of what `read_model` read.

    Args:
        head: its settings and the tree of its arrays.
        arrays: by the names in `head`.
        path: the file, for messages.
        class_of: says which class restores a model of a registry, a name and settings; by default
            the registered one.

    Raises:
        InputError: as `load`.
    """
    try:
        model = _made(head, arrays, class_of or _registered)
        model.check()
        return model
    except InputError:
        raise
    # A file that was made up can have anything in the place of anything.
    except Exception as error:
        line = f"{type(error).__name__}: {told(error)}"
        raise InputError(f"Expected a whole model in {path}. Received: {line}. {_MEND}") from error


def notes_in(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The notes that were kept with a model, which is not made.

    Raises:
        InputError: the file is missing or damaged.
    """
    return read_model(path)[0].get("notes", {})


def size_of(model: Recommender) -> int:
    """How many bytes a fitted model's arrays take before they are compressed.

    Raises:
        InputError: as `write_model`.
    """
    arrays: dict[str, np.ndarray] = {}
    _model(model, arrays, "")
    return sum(array.nbytes for array in arrays.values())


def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a file that `write_model` wrote: its head, and its arrays by name.

    Raises:
        InputError: the file is missing, damaged or of another version.
    """
    arrays = read_arrays(path, "a saved model", _MEND)
    try:
        head = parsed_json(str(arrays["head"]), str(path))
        version = head["version"]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"Expected a saved model in {path}. Received: {told(error)}. {_MEND}"
        ) from error
    if version != VERSION:
        raise InputError(
            f"Expected a model of version {VERSION} in {path}. Received: {version}. {_MEND}"
        )
    return head, arrays


def _made(head: dict[str, Any], arrays: dict[str, np.ndarray], class_of: ClassOf) -> Recommender:
    registry = next((each for each in _HOMES if each.kind == head["kind"]), None)
    if registry is None or head["name"] not in registry:
        raise InputError(
            f"Expected a model of a registered class. Received: {shown(head['name'])} of "
            f"{head['kind']}. Install its plug-in, or call drrec.register first."
        )
    made = class_of(registry, head["name"], head["settings"])(**head["settings"])
    return made.restore(_unpacked(head["state"], arrays, class_of))


def _registered(registry: Registry, name: str, settings: Mapping[str, Any]) -> Any:
    return registry[name]


def _home(cls: type[Any]) -> tuple[str, str]:
    for registry in _HOMES:
        if name := registry.name_of(cls):
            return registry.kind, name
    raise InputError(
        f"Expected a registered class, so that drrec.load finds it. Received: {cls.__name__}. "
        f"Call drrec.register('baselines', 'a_name', {cls.__name__}) first."
    )


def _model(model: Recommender, arrays: dict[str, np.ndarray], path: str) -> dict[str, Any]:
    kind, name = _home(type(model))
    state = _packed(model.state(), arrays, path)
    return {"kind": kind, "name": name, "settings": model.settings(), "state": state}


def _packed(value: Any, arrays: dict[str, np.ndarray], path: str) -> Any:
    """`value` as JSON has it, with its arrays put into `arrays` and named by their path."""
    import scipy.sparse as sp

    if isinstance(value, np.ndarray):
        arrays[path] = value
        return {"array": path}
    if isinstance(value, np.generic):
        return {"scalar": _packed(np.asarray(value), arrays, path)}
    if isinstance(value, _PLAIN):
        return value
    if sp.issparse(value):
        parts: Any = value
        parts = parts.tocsr()
        inside = {"data": parts.data, "indices": parts.indices, "indptr": parts.indptr}
        return {"sparse": _packed(inside, arrays, path), "shape": list(parts.shape)}
    if isinstance(value, dict):
        return {
            "dict": {
                str(k): _packed(v, arrays, f"{path}/{k}".lstrip("/")) for k, v in value.items()
            }
        }
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {"made": _path(value), "fields": _packed(fields, arrays, path)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {"made": _path(value), "fields": _packed(value._asdict(), arrays, path)}
    if isinstance(value, list | tuple):
        return {"list": [_packed(each, arrays, f"{path}/{n}") for n, each in enumerate(value)]}
    if hasattr(value, "recommend_for"):
        return {"model": _model(value, arrays, path)}
    raise InputError(f"Expected arrays and plain values to save. Received: {shown(value)}.")


def _unpacked(value: Any, arrays: dict[str, np.ndarray], class_of: ClassOf) -> Any:
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "scalar" in value:
        return _unpacked(value["scalar"], arrays, class_of)[()]
    if "sparse" in value:
        import scipy.sparse as sp  # here: most models have no such table

        parts = _unpacked(value["sparse"], arrays, class_of)
        inside = (parts["data"], parts["indices"], parts["indptr"])
        table = sp.csr_array(inside, shape=tuple(value["shape"]))
        table.check_format(full_check=True)  # SciPy follows indices that lead out of the arrays
        return table
    if "dict" in value:
        return {key: _unpacked(each, arrays, class_of) for key, each in value["dict"].items()}
    if "model" in value:
        return _made(value["model"], arrays, class_of)
    if "list" in value:
        return [_unpacked(each, arrays, class_of) for each in value["list"]]
    return _class(value["made"])(**_unpacked(value["fields"], arrays, class_of))


def _path(value: Any) -> str:
    return f"{type(value).__module__}:{type(value).__qualname__}"


def _class(path: str) -> Any:
    """A record of this package, and no other thing that a file might name."""
    module, _, name = path.partition(":")
    if not module.startswith("drrec."):
        raise InputError(f"Expected records of drrec in a saved model. Received: {shown(path)}.")
    found = getattr(importlib.import_module(module), name)
    if not (dataclasses.is_dataclass(found) or hasattr(found, "_fields")):
        raise InputError(f"Expected records of drrec in a saved model. Received: {shown(path)}.")
    return found


__all__ = ["load", "load_noted", "read_model", "restored", "write_model"]
