"""Readers of JSON and YAML, which never trust what they read."""

from __future__ import annotations

import json
import os
import pathlib
from typing import TYPE_CHECKING, Any

from drrec.errors import InputError, shown, told
from drrec.limits import current

if TYPE_CHECKING:
    from collections.abc import Mapping

    import yaml

_LONGEST_YAML = 1 << 24  # bytes: settings are a few thousand


def read_json(path: str | os.PathLike[str], declared: Any = None) -> Any:
    """Read JSON.

    Args:
        path: the file.
        declared: what it must hold, see `conform`; None takes anything.

    Raises:
        InputError: the file is missing, is not JSON, or holds something else than is declared.
    """
    content = parsed_json(_text(path, "a file", "JSON", current().max_bytes), f"{path}")
    if declared is not None:
        conform(content, declared, f"{path}")
    return content


def read_json_lines(path: str | os.PathLike[str], declared: Any = None) -> list[Any]:
    """Read JSON lines; empty lines count for nothing.

    Args:
        path: the file.
        declared: what each line must hold, see `conform`; None takes anything.

    Raises:
        InputError: the file is missing, or a line is not JSON or holds something else.
    """
    found = []
    text = _text(path, "a file", "JSON lines", current().max_bytes)
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"line {number} of {path}"
        found.append(parsed_json(line, where))
        if declared is not None:
            conform(found[-1], declared, where)
    return found


def parsed_json(text: str, where: str) -> Any:
    """What JSON says.

    Raises:
        InputError: it is not JSON, or nested deeper than `limits.current()` allows; the message
            says `where`.
    """
    try:
        content = json.loads(text)
        _check_nesting(content, where)
    except (ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"Expected JSON in {where}. Received: {told(error)}.") from error
    return content


def conform(value: Any, declared: Any, where: str) -> None:
    """See that a value read from JSON or YAML is of the declared form.

    Args:
        value: what was read.
        declared: a type; a tuple of forms, one of which it has; a list of the one form of all
            elements; or a dictionary with the forms of some keys, all of which it must have, or
            under the key `str` of all values. A float may be whole.
        where: the file's name.

    Raises:
        InputError: it is not; the message says which part of `where`.

    Examples:
        >>> from drrec.reading import conform
        >>> conform({"rows": 3, "by": {"a": 0.5}}, {"rows": int, "by": {str: float}}, "x.json")
    """
    if isinstance(declared, tuple):
        if not any(_is_of(value, each) for each in declared):
            raise _not_as_declared(value, declared, where)
    elif isinstance(declared, list):
        if not isinstance(value, list):
            raise _not_as_declared(value, declared, where)
        for number, each in enumerate(value):
            conform(each, declared[0], f"{where}, element {number}")
    elif isinstance(declared, dict):
        if not isinstance(value, dict):
            raise _not_as_declared(value, declared, where)
        _check_parts(value, declared, where)
    elif not _is_of(value, declared):
        raise _not_as_declared(value, declared, where)


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """Read YAML, as plain values.

    Raises:
        InputError: the file is missing, is not YAML, or is nested deeper or has more values than
            `limits.current()` allows, aliases written out.
    """
    import yaml

    text = _text(path, "settings", "YAML", _LONGEST_YAML)
    try:
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                return None
            _check_expansion(root, str(path))
            return loader.construct_document(root)
        finally:
            loader.dispose()
    except InputError:
        raise
    # A value that its tag does not fit makes PyYAML's constructors raise what they like.
    except (yaml.YAMLError, Exception) as error:
        raise InputError(f"Expected YAML in {path}. Received: {told(error)}.") from error


def _text(path: str | os.PathLike[str], what: str, kind: str, most: int) -> str:
    path = pathlib.Path(path)
    try:
        if (size := path.stat().st_size) > most:
            raise InputError(
                f"Expected at most {most:,} bytes of {kind} in {path}. Received: {size:,}."
            )
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        nothing = "no such file" if what == "settings" else "nothing there"
        where = "in" if what == "settings" else "at"
        raise InputError(f"Expected {what} {where} {path}. Received: {nothing}.") from error
    except (UnicodeDecodeError, MemoryError) as error:
        raise InputError(f"Expected {kind} in {path}. Received: {told(error)}.") from error


def _check_nesting(content: Any, where: str) -> None:
    level, most = [content], current().max_nesting
    for _ in range(most):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise _too_deep(where)


def _check_expansion(root: yaml.Node, where: str) -> None:
    """Refuse nodes that are too deep or, with aliases written out, too many; or in themselves."""
    limits = current()
    sizes: dict[int, tuple[int, int]] = {}  # of a node: values and depth
    stack, open_nodes = [root], set()
    while stack:
        node = stack[-1]
        inner = _inner(node)
        waiting = [each for each in inner if id(each) not in sizes]
        if not waiting:
            parts = [sizes[id(each)] for each in inner]
            values, depth = 1 + sum(p[0] for p in parts), 1 + max((p[1] for p in parts), default=0)
            if depth > limits.max_nesting:
                raise _too_deep(where)
            if values > limits.max_values:
                raise InputError(
                    f"Expected at most {limits.max_values:,} values in {where}, aliases written "
                    "out. Received: more. Write it without aliases, or pass --max-values."
                )
            sizes[id(node)] = values, depth
            open_nodes.discard(id(node))
            stack.pop()
            continue
        open_nodes.add(id(node))
        if len(stack) > 2 * limits.max_nesting or any(id(each) in open_nodes for each in waiting):
            raise _too_deep(where)
        stack.append(waiting[0])


def _inner(node: yaml.Node) -> list[yaml.Node]:
    value = node.value
    if not isinstance(value, list):
        return []
    return [part for each in value for part in (each if isinstance(each, tuple) else (each,))]


def _too_deep(where: str) -> InputError:
    return InputError(
        f"Expected lists and objects at most {current().max_nesting} deep in {where}. Received: "
        "deeper ones. Mend the file, or pass --max-nesting."
    )


def _check_parts(value: dict[Any, Any], declared: Mapping[Any, Any], where: str) -> None:
    if str in declared:
        for key, each in value.items():
            conform(each, declared[str], f"{where}, {shown(key)}")
        return
    for key, form in declared.items():
        if key not in value:
            raise InputError(f"Expected {key} in {where}. Received: none of that name.")
        conform(value[key], form, f"{where}, {key}")


def _is_of(value: Any, declared: Any) -> bool:
    if declared is None:
        return value is None
    if isinstance(value, bool):
        return declared is bool
    return isinstance(value, (int, float) if declared is float else declared)


def _not_as_declared(value: Any, declared: Any, where: str) -> InputError:
    return InputError(f"Expected {_named(declared)} in {where}. Received: {shown(value)}.")


def _named(declared: Any) -> str:
    if isinstance(declared, tuple):
        return " or ".join(map(_named, declared))
    if isinstance(declared, list | dict):
        return "a list" if isinstance(declared, list) else "an object"
    names = {None: "null", int: "a whole number", float: "a number", str: "text", dict: "an object"}
    return names.get(declared, getattr(declared, "__name__", str(declared)))
